"""Weights on disk: safetensors in half precision, with a header that says what they are."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..files import parse_json, sha256, whole_file
from .store import WeightsError

FORMAT = 2
"""2: the header holds a SHA-256 of all the rest. Files of format 1, which have none, are read as well."""

__all__ = ["FORMAT", "WeightsError", "load_weights", "save_weights", "state_sha256", "weights_of"]


def save_weights(path: Path, state: dict[str, torch.Tensor], *, half: bool = True, **description: Any) -> str:
    """Write `state` as float16; returns the file's SHA-256.

    Parameters
    ----------
    path : Path
        The file; made whole or not at all.
    state : dict of Tensor
        By name; stored in half precision. Whole numbers stay as they are, and so do floats that
        are too large for it.
    half : bool
        In half precision; False keeps every bit.
    **description : values of JSON
        What the header says: method, recipe, widths, …
    """
    kept = {
        n: _compact(x.detach().cpu()) if half else x.detach().cpu().contiguous() for n, x in state.items()
    }
    described = {"format": FORMAT, **description}
    header = {"sanum": json.dumps({**described, "sha256": _content_sha256(described, kept)})}
    with whole_file(path) as partial:
        save_file(kept, partial, header)
    return sha256(path)


def state_sha256(state: Mapping[str, torch.Tensor]) -> str:
    """SHA-256 of weights alone, whatever their header says.

    Parameters
    ----------
    state : dict of Tensor
        Of `load_weights`.
    """
    return _content_sha256({}, state)


def load_weights(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """State (float32) and description, verified by the SHA-256 in the file; never unpickles.

    Parameters
    ----------
    path : Path
        A file of `save_weights`.

    Raises
    ------
    WeightsError
        Missing, damaged, not safetensors, or of another format version.
    """
    if not path.is_file():
        raise WeightsError(f"weights not found: {path}; check the path, or install sanum again")
    try:
        with safe_open(path, framework="pt") as f:
            description = parse_json((f.metadata() or {}).get("sanum", "{}"))
            state = {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(
            f"{path.name} is not a readable safetensors file ({error}); expected one that sanum wrote"
        ) from error
    if not isinstance(description, dict):
        raise WeightsError(f"{path.name} has a header that is no table; expected one that sanum wrote")
    if description.get("format") not in (1, FORMAT):
        raise WeightsError(
            f"{path.name} has weights format {description.get('format')}, "
            f"this version of sanum reads {FORMAT} and 1; update one of them"
        )
    expected = description.pop("sha256", None)
    if (expected or description["format"] > 1) and _content_sha256(description, state) != expected:
        raise WeightsError(
            f"the weights {path.name} are damaged: what is in the file has not the SHA-256 of its header; "
            "take an undamaged copy, or train them again"
        )
    return {k: x.float() if x.is_floating_point() else x for k, x in state.items()}, description


@contextmanager
def weights_of(
    path: Path, header: Mapping[str, Any], method: str, version: int | None = None
) -> Iterator[None]:
    """Build a method's network inside of it: what is no such file, or does not fit, is a `WeightsError`.

    Parameters
    ----------
    path : Path
        Of the file, for the message.
    header : mapping
        As of `load_weights`.
    method : str
        That is expected.
    version : int, optional
        Of the meaning of the file that is expected, where the header names one.

    Raises
    ------
    WeightsError
        Another method, another version, or the body met with an error of shapes, keys or values.
    """
    if header.get("method") != method:
        raise WeightsError(
            f"{path.name} holds weights of {header.get('method')}, expected {method}: choose another file"
        )
    if version is not None and header.get("version", version) != version:
        raise WeightsError(
            f"{path.name} is a model of version {header['version']}, this version of sanum reads {version}: "
            "update sanum, or fit the model again"
        )
    try:
        yield
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[-1].strip() if str(error) else type(error).__name__
        raise WeightsError(
            f"{path.name} does not fit the network {method} ({reason}): it is damaged, or of another version "
            "of sanum; take an undamaged copy, or make it with this version's sanum train"
        ) from error


def _compact(x: torch.Tensor) -> torch.Tensor:
    """`x` in half precision if it fits: batch norm has counts, and variances above 65,504."""
    if not x.is_floating_point():
        return x.contiguous()
    half = x.to(torch.float16)
    overflows = bool((half.isinf() & x.isfinite()).any())
    return (x.float() if overflows else half).contiguous()


def _content_sha256(description: Mapping[str, Any], state: Mapping[str, torch.Tensor]) -> str:
    """Of the description and every tensor's name, type, shape and bytes, in the order of the names."""
    digest = hashlib.sha256(json.dumps(description).encode())
    for name, x in sorted(state.items()):
        digest.update(json.dumps([name, str(x.dtype), list(x.shape)]).encode())
        digest.update(x.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
