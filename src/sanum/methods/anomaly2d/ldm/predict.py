"""Latent diffusion as a detector."""

from pathlib import Path

from ...common.network_detector import NetworkDetector
from ...common.opening import open_detector
from .recipe import RECIPES


def load(
    *, weights: Path | None = None, device: str = "cpu", room: int | None = None, recipe: str | None = None
) -> NetworkDetector:
    """Detector, fitted if weights are given.

    Parameters
    ----------
    weights : Path, optional
        A file of `Detector.save`, or of `sanum train`.
    device : str
        A torch device.
    room : int, optional
        Not needed: squares are small.
    recipe : str, optional
        Name in `RECIPES`.
    """
    return open_detector(NetworkDetector, RECIPES, weights=weights, device=device, recipe=recipe)
