"""DICOM out: what the main job finds, as objects that a hospital's archive and viewers take (floor 6)."""
