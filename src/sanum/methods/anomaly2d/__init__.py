"""Unsupervised anomaly detection in 2-D images: detectors that learn normals, then score any image."""
