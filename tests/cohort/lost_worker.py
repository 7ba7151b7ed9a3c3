"""A cohort on two Dask workers, one of which is killed in the middle; prints what became of each scan.

python tests/cohort/lost_worker.py FOLDER SCANS
"""

import json
import os
import signal
import sys
from pathlib import Path

from stand_in import Nothing, at_once, make_cohort

from sanum.cohort import Settings, expand, run_on_dask, work


def load(folder: Path) -> Nothing:
    """In a worker: the stand-in, which notes what it computes; the first to meet sub-003 is killed."""

    def noted(scan, **how):
        name, marker = scan.path.name[:7], folder / "killed"
        if name == "sub-003" and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        (folder / f"{name}.{os.getpid()}").touch()
        return at_once(scan, **how)

    work.reconstruct = noted
    return Nothing()


if __name__ == "__main__":
    place, count = Path(sys.argv[1]), int(sys.argv[2])
    make_cohort(place / "in", count, 1)
    notes = place / "notes"
    notes.mkdir()
    out = place / "out"
    items = expand([place / "in"], out)
    outcomes = list(run_on_dask(items, out, load, (notes,), Settings(report=False), workers=2))
    told = {
        "states": sorted(outcome.state for outcome in outcomes),
        "told": sorted(outcome.item.path.name[:7] for outcome in outcomes),
        "killed": (notes / "killed").exists(),
        "computed": sorted(p.name.split(".")[0] for p in notes.glob("sub-*")),
        "records": len(list(out.rglob("*_record.json"))),
        "locks": len(list(out.rglob("*.lock"))),
    }
    print(json.dumps(told))  # noqa: T201
