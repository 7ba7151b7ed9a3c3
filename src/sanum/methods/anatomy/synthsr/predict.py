"""SynthSR as a predictor."""

from pathlib import Path

import torch

from ...common.predictor import RivalPredictor
from .model import Synthsr


def predictor(*, weights: Path, device: str = "cpu", room: int | None = None) -> RivalPredictor:
    """Load the weights of a file; see `RivalPredictor`."""
    return RivalPredictor("synthsr", Synthsr, read, weights=weights, device=device, room=room)


def read(net: torch.nn.Module, scan: torch.Tensor) -> tuple[torch.Tensor, None]:
    """T1w; no anomaly."""
    return net(scan), None
