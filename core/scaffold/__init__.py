"""Scaffolding: from a sample to a dataset's or a model's files, written as a person would."""
