"""BIDS data sets and derivatives: which scans to do, sidecars, pages (floor 6)."""
