"""What a node says when a peer, or its own setting, will not do: one sentence each."""

import traceback
from pathlib import Path

from ...scan import ScanError


class NodeError(ValueError):
    """A setting, a file or a peer that cannot be used."""


class PeerUnreachable(NodeError):
    """A peer that does not answer, or goes away; asked again later, it may."""


class PeerRefuses(NodeError):
    """A peer that answers and says no; asked again, it would say the same."""


class NothingOffered(PeerRefuses):
    """A peer that offers nothing of what was asked for."""


def told(error: Exception) -> str:
    """Words of an error of ours; of another the place alone, for its words may hold values of a data set.

    Parameters
    ----------
    error : Exception
        That was raised.
    """
    if isinstance(error, NodeError | ScanError):
        return str(error)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    last, line = [*traceback.walk_tb(error.__traceback__)][-1]
    return f"{type(error).__name__} in {Path(last.f_code.co_filename).name}, line {line}"
