"""PEPSI as a predictor: its T1w shows the pathology, which the FLAIR tells."""

from pathlib import Path

import torch

from ...common.predictor import RivalPredictor
from .model import Pepsi


def predictor(*, weights: Path, device: str = "cpu", room: int | None = None) -> RivalPredictor:
    """Load the weights of a file; see `RivalPredictor`."""
    return RivalPredictor("pepsi", Pepsi, read, weights=weights, device=device, room=room)


def read(net: torch.nn.Module, scan: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """T1w, and the probability of pathology in the FLAIR."""
    said = net(scan)
    return said.images[:, :1], said.pathology[:, 1:].sigmoid()
