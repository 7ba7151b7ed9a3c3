"""What principal components of the normals leave over of an image: a baseline (Turk and Pentland, 1991)."""
