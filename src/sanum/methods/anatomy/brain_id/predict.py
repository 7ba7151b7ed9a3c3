"""Brain-ID as a predictor: the T1w of the task's layer."""

from pathlib import Path

import torch

from ...common.regression import RegressionPredictor
from .model import BrainId


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
    return RegressionPredictor("brain-id", BrainId, read, weights=weights, device=device, room=room)


def read(net: torch.nn.Module, scan: torch.Tensor) -> tuple[torch.Tensor, None]:
    """T1w of the task's layer; no anomaly.

    Parameters
    ----------
    net : BrainId
        The network.
    scan : (B, 1, X, Y, Z)
        In [0, 1.5].
    """
    return net(scan)[1], None
