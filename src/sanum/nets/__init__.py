"""Networks and their blocks, nothing else (floor 1)."""
