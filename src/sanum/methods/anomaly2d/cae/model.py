"""The network: an image through a code of some numbers, and back."""

from ....nets.dense_autoencoder import DenseAutoencoder

__all__ = ["DenseAutoencoder"]
