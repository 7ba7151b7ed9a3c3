"""Data sets as methods need them (floor 3)."""
