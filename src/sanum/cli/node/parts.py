"""What `sanum node` makes of its options: routes, known titles, the job, the log, and what ends it."""

import logging
import signal
import sys
import threading
import warnings
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from ..messages import harmless

if TYPE_CHECKING:
    from ...clinic.job import DicomJob
    from ...clinic.node.deliver import Route
    from ...clinic.node.peers import Peer, WebPeer
    from ...clinic.node.ways import WaysIn
    from ...healthy.job import ReconstructJob


def route_of(
    aet: str, peers: list[str], ask: str | None, files: tuple[Path | None, Path | None, Path | None]
) -> "tuple[Route, Peer | WebPeer | None]":
    """Where results go, and who is asked how many objects a series has; NodeError says what is wrong.

    Parameters
    ----------
    aet, peers, ask
        As given by `--aet`, `--peer` and `--ask`.
    files : (Path, Path, Path)
        Certificate, key and authority, as given; None where they are not.
    """
    from ...clinic.node.deliver import Route
    from ...clinic.node.errors import NodeError
    from ...clinic.node.peers import aet_from, peer_from
    from ...clinic.node.tls import Tls

    certificate, key, authority = files
    if certificate and key and authority:
        tls = Tls(certificate, key, authority)
        tls.server_context(), tls.client_context()  # says now what is wrong with them
    elif certificate or key or authority:
        raise NodeError("TLS needs --certificate, --key and --authority: one of them is missing")
    else:
        tls = None
    to = tuple(peer_from(text) for text in dict.fromkeys(peers))
    asked = to[0] if to else None
    if ask is not None:
        asked = None if ask == "nobody" else peer_from(ask)
    return Route(to, aet_from(aet), tls), asked


def ways_of(
    folders: list[Path], addresses: list[str], remove: bool, days: int, largest_mb: float
) -> "WaysIn":
    """Where scans are fetched from.

    Parameters
    ----------
    folders, addresses, remove, days, largest_mb
        As given by `--watch`, `--pull`, `--remove-watched`, `--pull-days` and `--largest-mb`.
    """
    from ...clinic.node.errors import NodeError
    from ...clinic.node.peers import WebPeer, peer_from
    from ...clinic.node.ways import WaysIn

    found = [one for one in map(peer_from, addresses) if isinstance(one, WebPeer)]
    if len(found) < len(addresses):
        raise NodeError("--pull takes the address of a DICOMweb server, https://…: others send to the node")
    return WaysIn(tuple(folders), tuple(found), remove, days=days, largest=int(largest_mb * 1e6))


def known_of(titles: list[str], route: "Route", *, is_needed: bool) -> tuple[str, ...]:
    """Titles of those who may send.

    Parameters
    ----------
    titles : list of str
        As given by `--known`.
    route : Route
        Whose peers may send too.
    is_needed : bool
        Whether nothing else brings scans.
    """
    from ...clinic.node.errors import NodeError
    from ...clinic.node.peers import Peer, aet_from

    known = [aet_from(title) for title in titles]
    known += [peer.aet for peer in route.peers if isinstance(peer, Peer)]
    if not known and is_needed:
        raise NodeError("nobody may send to the node: name who may with --known AET, or a --peer")
    return tuple(dict.fromkeys(known))


def job_of(device: str, threads: int, weights: str | None, *, fast: bool) -> "ReconstructJob | DicomJob":
    """The main job with DICOM objects, its network loaded.

    Parameters
    ----------
    device, threads, weights, fast
        As given.
    """
    from ...clinic.objects import DicomOptions
    from ...scan.read import Reading
    from ..batch import load_job

    logging.getLogger(__name__).info("loads the network")
    return load_job(
        device, threads, weights, None, ("input", "anatomy", Reading(), False, None, fast, DicomOptions())
    )


def log_to_stderr(*, verbose: bool) -> None:
    """Log lines of the node alone: other libraries may repeat what they were given.

    Parameters
    ----------
    verbose : bool
        Each step too.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line("%(asctime)s %(levelname)s %(message)s"))
    log = logging.getLogger("sanum")
    log.addHandler(handler)
    log.setLevel(logging.DEBUG if verbose else logging.INFO)
    log.propagate = False
    warnings.simplefilter("ignore")  # pydicom's repeat values


class _Line(logging.Formatter):
    """One line of a log, whatever is in it."""

    def format(self, record: logging.LogRecord) -> str:
        return harmless(" ".join(super().format(record).split("\n")))


def ended_by_signals() -> threading.Event:
    """Set by SIGTERM and SIGINT."""
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    return ended
