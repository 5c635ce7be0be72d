"""Loading: contract, checks, relations and verdicts between landed bytes and the table."""
