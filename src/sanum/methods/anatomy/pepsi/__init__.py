"""PEPSI: pathology-enhanced, pulse-sequence-invariant features (Liu et al., MICCAI 2024)."""
