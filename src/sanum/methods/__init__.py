"""One folder per published method (floor 4)."""
