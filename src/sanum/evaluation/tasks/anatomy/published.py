"""What the UNA paper reports (arXiv 2501.13370), for comparison with our numbers.

T1w reconstructed from images with simulated lesions, 1,000 samples; averages over the whole volume.
"""

LABEL = "{} (paper)"
_KEYS = tuple(f"{m}_{p}" for m in ("l1", "psnr", "ssim") for p in ("f", "h", "d"))
_ROWS: dict[str, dict[str, tuple[float | None, ...]]] = {
    "t1w": {
        "SynthSR": (0.0285, 0.0253, 0.0010, 20.71, 22.90, 36.59, 0.823, 0.879, 0.895),
        "Brain-ID": (0.0231, 0.0219, 0.0007, 22.86, 23.71, 40.22, 0.859, 0.890, 0.904),
        "PEPSI": (0.0257, 0.0194, None, 21.78, 23.21, None, 0.831, 0.872, None),
        "UNA": (0.0147, 0.0143, 0.0003, 31.98, 33.25, 45.61, 0.981, 0.992, 0.998),
    },
    "t2w": {"UNA": (0.0184, 0.0182, 0.0003, 25.14, 26.22, 45.69, 0.938, 0.981, 0.998)},
    "flair": {"UNA": (0.0202, 0.0194, 0.0007, 28.34, 28.93, 42.91, 0.921, 0.982, 0.996)},
    "ct": {"UNA": (0.0259, 0.0266, 0.0010, 25.63, 25.70, 42.53, 0.883, 0.897, 0.895)},
}
RECONSTRUCTION: dict[str, dict[str, dict[str, float | None]]] = {
    contrast: {LABEL.format(name): dict(zip(_KEYS, values, strict=True)) for name, values in methods.items()}
    for contrast, methods in _ROWS.items()
}
"""By preset, method and number; None where the paper has none."""

DIFFERENCE_DICE = {
    "SynthSR": "0.23 to 0.28",
    "Brain-ID": "0.24 to 0.28",
    "VAE": "0.11 to 0.18",
    "LDM": "0.20 to 0.24",
    "UNA": "0.31 to 0.37",
}
"""Dice of the scaled difference map with simulated lesions, T1w, over the paper's data sets."""
