"""Brain-ID as a predictor: the T1w of the task's layer."""

from pathlib import Path

import torch

from ...common.predictor import RivalPredictor
from .model import BrainId


def predictor(*, weights: Path, device: str = "cpu", room: int | None = None) -> RivalPredictor:
    """Load the weights of a file; see `RivalPredictor`."""
    return RivalPredictor("brain-id", BrainId, read, weights=weights, device=device, room=room)


def read(net: torch.nn.Module, scan: torch.Tensor) -> tuple[torch.Tensor, None]:
    """T1w; no anomaly."""
    return net(scan)[1], None
