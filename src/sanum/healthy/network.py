"""The network of the main job, loaded once for each weights and device.

A process keeps the last two networks, on their devices, until `release_networks` lets go of them.
"""

import threading
from collections import OrderedDict
from pathlib import Path
from weakref import WeakKeyDictionary

from ..files import sha256
from ..learn.devices import resolve_device
from ..methods import registry
from ..methods.common.anatomy import Predictor, Refiner
from ..weights.store import resolve
from .calibration import calibration_of
from .rule import rule_of

METHOD = "una"
KEPT = 2  # networks: one that is used again and again, and another to compare it with
_kept: OrderedDict[tuple[str, ...], Predictor] = OrderedDict()
_seconds: "WeakKeyDictionary[Predictor, Refiner | None]" = WeakKeyDictionary()
_lock = threading.Lock()


def network(*, weights: str | Path | None = None, device: str = "auto") -> Predictor:
    """Predictor of "una", ready to use; the one of an earlier call where weights and device are the same.

    The weights are compared by their SHA-256, so that a file that was written anew is read anew. A network
    that had to make do with less memory, in slabs or on the CPU, is loaded anew: there may be more by now.
    Threads share a network on the CPU; on other devices each thread has its own.

    Parameters
    ----------
    weights : str or Path, optional
        A name of `weights.store`, or a file of `sanum train`; default the weights that ship.
    device : str
        "auto", "cpu", "cuda", "cuda:n" or "mps".

    Raises
    ------
    ValueError
        The device is not there; weights that are missing, damaged, of another method or version.
    """
    device = resolve_device(device)
    file = resolve(weights if weights is not None else registry.find(METHOD).weights or METHOD)
    owner = "" if device == "cpu" else str(threading.get_ident())
    key = (str(file.resolve()), sha256(file), device, owner)
    with _lock:
        if key in _kept and not _gave_way(_kept[key]):
            _kept.move_to_end(key)
            return _kept[key]
        _kept.pop(key, None)
        loaded: Predictor = registry.load(METHOD, device=device, weights=file)
        rule_of(loaded), calibration_of(loaded)  # what is none is said before any scan
        _kept[key] = loaded
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
        return _kept[key]


def second_stage(predictor: Predictor) -> Refiner | None:
    """Second stage that goes with a predictor, loaded once; None: there is none.

    Parameters
    ----------
    predictor : Predictor
        Of `network`, or another.
    """
    if getattr(predictor, "state_sha256", None) is None:
        return None
    with _lock:
        if predictor not in _seconds:
            _seconds[predictor] = registry.second_stage(METHOD, predictor, device=predictor.device)
        return _seconds[predictor]


def release_networks() -> None:
    """Let go of the networks that `reconstruct` keeps, and of the memory that they take."""
    with _lock:
        _kept.clear()


def _gave_way(predictor: Predictor) -> bool:
    return predictor.memory_plan is not None and bool(predictor.memory_plan.taken)
