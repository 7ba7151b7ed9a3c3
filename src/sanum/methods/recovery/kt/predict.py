"""Loading kt."""

from pathlib import Path

from .recoverer import KtRecoverer


def load(*, weights: Path | None = None, device: str = "cpu", room: int | None = None) -> KtRecoverer:
    """What turns raw data into movies.

    Parameters
    ----------
    weights : None
        It has none.
    device : str
        A torch device.
    room : int, optional
        Not used.
    """
    return KtRecoverer(device=device)
