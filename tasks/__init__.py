"""With what patience: thin Prefect tasks around core."""
