"""SynthSR as a predictor."""

from pathlib import Path

import torch

from ...common.regression import RegressionPredictor
from .model import Synthsr


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
    return RegressionPredictor("synthsr", Synthsr, read, weights=weights, device=device, room=room)


def read(net: torch.nn.Module, scan: torch.Tensor) -> tuple[torch.Tensor, None]:
    """T1w; no anomaly.

    Parameters
    ----------
    net : Synthsr
        The network.
    scan : (B, 1, X, Y, Z)
        In [0, 1.5].
    """
    return net(scan), None
