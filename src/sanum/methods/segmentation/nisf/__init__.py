"""NISF: segmentation as a continuous function of coordinates. Stolt-Ansó et al., MICCAI 2023."""
