"""In what order: one flow a file, one file a verb."""
