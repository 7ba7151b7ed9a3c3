"""MAD: a learned distance between images of any contrast. Sideri-Lampretsa et al., 2023 (arXiv)."""
