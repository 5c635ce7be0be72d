"""What is true: one file a dataset."""
