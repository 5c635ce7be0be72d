"""Statistics of drift, one a file, each with where it was published."""
