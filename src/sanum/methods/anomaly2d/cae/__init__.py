"""Convolutional autoencoder: what a network that knows only normals cannot copy is abnormal."""
