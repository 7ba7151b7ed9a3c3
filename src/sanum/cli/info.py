"""`sanum info`: version, weights, devices; in well under a second, without importing torch."""

import json
import platform
from pathlib import Path
from typing import Annotated

import typer

from .. import __version__

EXAMPLE = "Example:  sanum info --json"


def command(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Print the version, the weights and the devices of this machine."""
    facts = {
        "version": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "weights": shipped_weights(),
        "devices": devices(),
    }
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    for key, value in facts.items():
        typer.echo(f"{key:9} {', '.join(value) if isinstance(value, list) else value}")


def shipped_weights() -> list[str]:
    """Names and SHA-256 of the weights in the package."""
    from ..weights.store import shipped

    return [f"{entry.name} {entry.sha256}" for entry in shipped()]


def devices() -> list[str]:
    """Devices that torch is likely to find, from the system's own files."""
    found = ["cpu"]
    cards = sorted(Path("/proc/driver/nvidia/gpus").glob("*")) or sorted(Path("/dev").glob("nvidia[0-9]*"))
    found += [f"cuda:{n}" for n in range(len(cards))]
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        found.append("mps")
    return found
