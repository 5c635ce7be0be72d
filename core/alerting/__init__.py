"""Alerting: what is told, to whom, until they have it; and silence, which is told too."""
