"""What the summaries of earlier runs said, in short, so that `run.json` of the newest keeps it."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

KEPT = 100  # runs
LARGEST = 100_000_000  # bytes of a summary that is read
_SHORT = ("version", "date", "weights", "weights_sha256", "device", "seconds")


def earlier_runs(path: Path) -> list[dict[str, Any]]:
    """The run that a summary is of, in short, after those that it tells of; the oldest first.

    Each has version, date, weights, device, seconds and how many scans were in which state. None where the
    file is missing or damaged, since it is about to be replaced; the newest 100 of more.

    Parameters
    ----------
    path : Path
        Of a `run.json` that is there, or not.
    """
    try:
        if path.stat().st_size > LARGEST:
            return []
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    if not isinstance(found, dict):
        return []
    before = found.get("earlier")
    runs = [run for run in before if isinstance(run, dict)] if isinstance(before, list) else []
    return [*runs, _in_short(found)][-KEPT:]


def _in_short(summary: dict[str, Any]) -> dict[str, Any]:
    scans = summary.get("scans")
    found = [scan for scan in scans if isinstance(scan, dict)] if isinstance(scans, list) else []
    states = dict(Counter(str(scan.get("state")) for scan in found))
    return {**{key: summary.get(key) for key in _SHORT}, "states": states}
