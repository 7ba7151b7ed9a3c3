"""Anomalies that a fluid grows on normal images: a network learns to mark them and to restore the image."""
