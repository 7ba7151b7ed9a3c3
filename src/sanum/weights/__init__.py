"""Finding, reading, verifying and fetching weight files (floor 1)."""
