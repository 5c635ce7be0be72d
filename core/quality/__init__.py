"""Quality through time: each day's profile, and the limits learned from the days before."""
