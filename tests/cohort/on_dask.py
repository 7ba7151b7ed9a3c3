"""A cohort of small scans on Dask, where something goes wrong; prints what became of each scan.

python tests/cohort/on_dask.py FOLDER SCANS CASE [SCHEDULER [CERTIFICATE]]

lost     a worker is killed in the middle, once
deadly   the first scan kills every worker that has it, of which there is one at a time
hidden   workers do not see the weights
endless  one scan does not end
full     the disk of the results is full
plain    nothing
"""

import errno
import json
import os
import signal
import sys
import time
from pathlib import Path

from stand_in import NO_REPORT, at_once, make_cohort, nothing_job

from sanum.cohort import ClusterError, SchedulerAt, expand, run, run_on_dask, steps, write_tables
from sanum.healthy import job
from sanum.healthy.job import TABLES, ReconstructJob
from sanum.scan import ScanError

BAD = "sub-003"
PATIENCE_S = 120.0  # without workers; a test that waits longer says nothing


def load(case: str, notes: Path) -> ReconstructJob:
    """In a worker: the stand-in, which notes what it computes."""

    def noted(scan, **how):
        name, marker = scan.path.name[:7], notes / "killed"
        if (case == "deadly" and name == "sub-000") or (
            case == "lost" and name == BAD and not marker.exists()
        ):
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if name == BAD and case == "endless":
            marker.touch()
            time.sleep(600)
        (notes / f"{name}.{os.getpid()}").touch()
        return at_once(scan, **how)

    def on_a_full_disk(*_, **__):
        raise ScanError("cannot write: the disk is full") from OSError(errno.ENOSPC, "full")

    if case == "hidden":
        raise FileNotFoundError(2, "No such file or directory", "una.safetensors")
    if case == "full":
        steps.save_result = on_a_full_disk
    job.reconstruct = noted
    return nothing_job()


def files(out: Path) -> dict[str, bytes]:
    return {str(p.relative_to(out)): p.read_bytes() for p in out.rglob("*") if p.is_file()}


def main(
    place: Path, count: int, case: str, scheduler: str | None = None, certificate: str | None = None
) -> None:
    make_cohort(place / "in", count, 1)
    notes, out, alone = place / "notes", place / "out", place / "alone"
    notes.mkdir()
    items = expand([place / "in"], out)
    workers = 1 if case in ("deadly", "hidden", "full") else 2
    told, outcomes = {"error": None}, []
    try:
        outcomes += run_on_dask(
            items,
            out,
            load,
            (case, notes),
            NO_REPORT,
            scheduler=SchedulerAt(scheduler, Path(certificate)) if certificate else scheduler,
            workers=workers,
            patience_s=PATIENCE_S,
        )
    except ClusterError as error:
        told["error"] = str(error)
    failed = write_tables(out, TABLES) if out.exists() else []
    job.reconstruct = at_once
    list(run(items, alone, nothing_job(), NO_REPORT))
    write_tables(alone, TABLES)
    told |= {
        "states": sorted(outcome.state for outcome in outcomes),
        "told": sorted(outcome.item.path.name[:7] for outcome in outcomes),
        "reasons": sorted(outcome.reason for outcome in outcomes if outcome.reason),
        "killed": (notes / "killed").exists(),
        "computed": sorted(p.name.split(".")[0] for p in notes.glob("sub-*")),
        "same": files(out) == files(alone),
        "records": len(list(out.rglob("*_record.json"))),
        "locks": len(list(out.rglob("*.lock"))),
        "failed.tsv": len(failed),
    }
    print(json.dumps(told))  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
