"""How scans look: anatomy, contrast, anomaly appearance, geometry, corruption, the generator (floor 3)."""
