"""The main job: one brain scan in, its healthy anatomy, an anomaly map and an uncertainty map out (floor 5)."""
