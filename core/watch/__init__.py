"""Watching: drift, and whether predictions kept their promise."""
