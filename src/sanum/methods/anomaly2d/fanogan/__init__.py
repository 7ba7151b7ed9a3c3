"""f-AnoGAN: a generator of normals, and an encoder that finds the code of an image (Schlegl et al., 2019)."""
