"""Loading kt."""

from pathlib import Path

from .network import load_network
from .recoverer import KtRecoverer


def load(*, weights: Path | None, device: str = "cpu", room: int | None = None) -> KtRecoverer:
    """What turns raw data into movies.

    Parameters
    ----------
    weights : Path
        A file of `sanum train kt-…`: its network takes the place of the one of that name that ships.
    device : str
        A torch device.
    room : int, optional
        Not used.

    Raises
    ------
    WeightsError
        As of `load_network`.
    """
    if weights is None:
        raise ValueError("kt has trained networks: give a file of weights")
    return KtRecoverer(load_network(weights, device), device=device)
