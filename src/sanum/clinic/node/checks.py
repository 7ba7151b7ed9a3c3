"""What can be wrong with a node before it works, said before its network is loaded, which takes long."""

import socket
import uuid
from collections.abc import Sequence
from pathlib import Path

from ...cohort import lock
from .errors import NodeError
from .folder import NodeFolder
from .ways import require_watchable


def require_ready(root: Path, address: tuple[str, int], watched: Sequence[Path] = ()) -> None:
    """That a node can begin; nothing is made for that.

    Parameters
    ----------
    root : Path
        Its folder, which may not be there yet.
    address : (str, int)
        Where it listens.
    watched : sequence of Path
        Folders that it watches.

    Raises
    ------
    NodeError
        Another node works on the folder, a folder cannot be watched, or the port cannot be used.
    """
    require_watchable(watched, root)
    held = NodeFolder(root).lock
    if held.exists():
        if not lock.acquire(held, uuid.uuid4().hex):
            raise another_node(root)
        lock.release(held)
    try:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        with socket.socket(family) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the node does
            tried.bind(address)
    except OSError as error:
        raise port_unusable(address, error) from None


def another_node(root: Path) -> NodeError:
    """The error of a folder that another node works on.

    Parameters
    ----------
    root : Path
        The folder.
    """
    return NodeError(f"another node works on {root.name}: end it, or choose another folder")


def port_unusable(address: tuple[str, int], error: OSError) -> NodeError:
    """The error of a port that cannot be listened at.

    Parameters
    ----------
    address : (str, int)
        Host and port.
    error : OSError
        What the system says.
    """
    host, port = address
    return NodeError(
        f"port {port} of {host} cannot be used ({error.strerror or error}): end what uses it, "
        "or choose another with --port"
    )
