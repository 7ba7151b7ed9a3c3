"""Weights on disk: safetensors in half precision, with a header that says what they are."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from .files import replace_whole, sha256
from .store import WeightsError

FORMAT = 1


__all__ = ["FORMAT", "WeightsError", "load_weights", "save_weights", "sha256"]


def save_weights(path: Path, state: dict[str, torch.Tensor], **description: Any) -> str:
    """Write `state` as float16; returns the file's SHA-256."""
    half = {k: v.detach().to("cpu", torch.float16).contiguous() for k, v in state.items()}
    header = {"sanum": json.dumps({"format": FORMAT, **description})}
    replace_whole(path, lambda p: save_file(half, p, header))
    return sha256(path)


def load_weights(
    path: Path, *, expected_sha256: str | None = None
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """State (float32) and description; never unpickles.

    Raises
    ------
    WeightsError
        Missing, not the expected SHA-256, not safetensors, or of another format version.
    """
    if not path.is_file():
        raise WeightsError(f"weights not found: {path}; check the path, or install sanum again")
    found = sha256(path)
    if expected_sha256 and found != expected_sha256:
        raise WeightsError(
            f"the weights {path.name} are damaged: expected SHA-256 {expected_sha256[:12]}…, "
            f"found {found[:12]}…; install sanum again"
        )
    try:
        with safe_open(path, framework="pt") as f:
            description = json.loads((f.metadata() or {}).get("sanum", "{}"))
            state = {k: f.get_tensor(k).float() for k in f.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(
            f"{path.name} is not a readable safetensors file ({error}); install sanum again"
        ) from error
    if not isinstance(description, dict):
        raise WeightsError(f"{path.name} has a header that is no table; install sanum again")
    if description.get("format") != FORMAT:
        raise WeightsError(
            f"{path.name} has weights format {description.get('format')}, "
            f"this version of sanum reads {FORMAT}; update one of them"
        )
    return state, description
