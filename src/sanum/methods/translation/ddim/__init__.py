"""Diffusion on the condition of the source: noise becomes the target in some steps."""
