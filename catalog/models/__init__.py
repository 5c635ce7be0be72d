"""What is true: one file a model."""
