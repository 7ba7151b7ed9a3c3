"""Scale-space autoencoder: an autoencoder for each band of an image (Baur et al., MICCAI 2020)."""
