"""PEPSI as a predictor: its T1w shows the pathology, and the probability of it comes from the FLAIR."""

from pathlib import Path

import torch

from ...common.regression import RegressionPredictor
from .model import Pepsi


def load(*, weights: Path, device: str = "cpu", room: int | None = None) -> RegressionPredictor:
    """Predictor with the weights of a file.

    Parameters
    ----------
    weights : Path
        A file of `sanum train`.
    device : str
        A torch device.
    room : int, optional
        Bytes of memory that the network may take; default what is free.
    """
    return RegressionPredictor("pepsi", Pepsi, read, weights=weights, device=device, room=room)


def read(net: torch.nn.Module, scan: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """T1w, and the probability of pathology in the FLAIR.

    Parameters
    ----------
    net : Pepsi
        The network.
    scan : (B, 1, X, Y, Z)
        In [0, 1.5].
    """
    output = net(scan)
    return output.images[:, :1], output.pathology[:, 1:].sigmoid()
