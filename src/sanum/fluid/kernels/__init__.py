"""Fused kernels of the fluid."""
