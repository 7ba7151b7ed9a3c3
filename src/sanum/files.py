"""Files that appear whole or not at all, and what is in them."""

import hashlib
import os
import secrets
from collections.abc import Callable
from pathlib import Path


def replace_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a hidden neighbour of `path`, then move it into place.

    Its permissions are those of any new file (the umask's), whatever `write` gave it: safetensors lets
    nobody else read.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")  # containers share process ids
    try:
        partial.touch()
        permissions = partial.stat().st_mode & 0o777
        partial.unlink()
        write(partial)
        partial.chmod(permissions)
        with partial.open("rb+") as handle:
            os.fsync(handle.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    digest = hashlib.sha256()
    with path.open("rb") as f:
        while block := f.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
