"""Brain-ID: contrast-agnostic features of the anatomy (Liu et al., ECCV 2024)."""
