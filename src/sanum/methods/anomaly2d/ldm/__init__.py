"""Latent diffusion: what comes back otherwise from many levels of noise (Graham et al., 2023)."""
