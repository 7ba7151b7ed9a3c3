"""A node behind an archive: what arrives is written untouched, and all else happens later (floor 6)."""
