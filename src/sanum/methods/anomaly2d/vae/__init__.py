"""Variational autoencoder: normals through a code with a known distribution (Baur et al., 2021)."""
