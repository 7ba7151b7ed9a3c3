"""A cohort whose runs are killed, and two runs at once: in the end the files of an undisturbed run.

python tests/cohort/disturbed.py FOLDER SCANS BROKEN KILLS [bids]

With "bids" it is `sanum bids`, whose descriptions, sidecars and pages are compared too, and no temporary file
may be left in the end; else `sanum reconstruct`.

The parent has imported everything; each run of the command line is a fork of it. Every other run is killed at
a random time, the others just before one of their operations on files, drawn among all of a sixth of an
undisturbed run. After each kill every file under a final name is compared with the undisturbed run's. Prints
what happened as JSON.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from stand_in import DESCRIPTION, Nothing, at_once, make_cohort

from sanum.cli.main import main
from sanum.cohort import lock
from sanum.cohort.failures import STATE
from sanum.healthy import job
from sanum.healthy.result import Reconstruction
from sanum.methods import registry

LIMIT_S = 300
"""A run that hangs is ended, and its code is not what is expected."""

OPERATIONS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.utime", "shutil.rmtree")


def words_of(command: str, scans: Path, out: Path) -> list[str]:
    if command == "bids":
        return ["bids", str(scans), str(out), "participant"]
    return ["reconstruct", str(scans), "-o", str(out), "--no-report"]


def start(command: str, scans: Path, out: Path, log: Path, kill_before: int | None = None) -> int:
    """Fork a run; returns its process."""
    process = os.fork()
    if process:
        return process
    signal.alarm(LIMIT_S)
    job.reconstruct, registry.load = at_once, lambda **_: Nothing()
    Reconstruction.report = lambda _: "<p>Tested elsewhere.</p>"
    with log.open("ab") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    count = 0

    def watch(event, args):
        nonlocal count
        if event in OPERATIONS and args and str(out) in str(args[0]):
            count += 1
            if count == kill_before:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    sys.argv = ["sanum", *words_of(command, scans, out)]
    try:
        main()
    except SystemExit as left:
        log.with_suffix(".count").write_text(str(count))
        os._exit(left.code)
    os._exit(99)


def wait(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def files(out: Path) -> dict[str, bytes]:
    """Everything but the story of the run."""
    found = {p.relative_to(out).as_posix(): p.read_bytes() for p in out.rglob("*") if p.is_file()}
    found.pop("run.json", None)
    return found


def wait_for_empty_locks(out: Path) -> None:
    """Of a run that was killed before it could write its name there: they count as left behind when older."""
    if any(path.stat().st_size == 0 for path in (out / STATE).glob("*.lock*")):
        time.sleep(lock._EMPTY_S + 0.5)


def differing(out: Path, right: dict[str, bytes]) -> list[str]:
    """Files under a final name that are not whole; records whose results are not all there."""
    found = {p: b for p, b in files(out).items() if "/." not in f"/{p}"}
    wrong = [p for p, b in found.items() if not p.endswith(".tsv") and right.get(p) != b]
    for path in found:
        if path.endswith("_record.json"):
            named = json.loads(found[path])["outputs"].values()
            wrong += [n for n in named if str(Path(path).parent / n) not in found]
    wrong += [p for p, b in found.items() if p.endswith(".tsv") and not b.endswith(b"\n")]
    return wrong


def try_it(folder: Path, count: int, broken: int, kills: int, command: str) -> dict:
    scans, rng = folder / "in", random.Random(count)
    said = make_cohort(scans, count, broken)
    (scans / "dataset_description.json").write_text(json.dumps(DESCRIPTION))
    began = time.monotonic()
    code = wait(start(command, scans, folder / "whole", folder / "whole.log"))
    told = {"code": code, "seconds": round(time.monotonic() - began, 1)}
    right = files(folder / "whole")
    failed = right["failed.tsv"].decode().splitlines()[1:]
    told["done"] = sum(name.endswith("_record.json") for name in right)
    told["failed"] = len(failed)
    told["reasons"] = sum(any(words in line for line in failed) for words in said)

    operations = int((folder / "whole.count").read_text())
    out, told["killed"], told["wrong"] = folder / "killed", 0, []
    while told["killed"] < kills:
        by_time = told["killed"] % 2 == 1
        process = start(
            command, scans, out, folder / "killed.log", None if by_time else rng.randint(1, operations // 6)
        )
        if by_time:
            time.sleep(rng.uniform(0, told["seconds"] / 6))
            os.kill(process, signal.SIGKILL)
        told["killed"] += wait(process) == -signal.SIGKILL
        told["wrong"] += differing(out, right)
    wait_for_empty_locks(out)
    told["killed_code"] = wait(start(command, scans, out, folder / "killed.log"))
    told["killed_same"] = files(out) == right

    two = [start(command, scans, folder / "two", folder / f"two{n}.log") for n in range(2)]
    told["two_codes"] = [wait(process) for process in two]
    told["two_same"] = files(folder / "two") == right
    logs = [(folder / f"two{n}.log").read_text().count(": done in ") for n in range(2)]
    told["two_done"] = logs
    return {**told, "operations": operations}


if __name__ == "__main__":
    folder, *numbers, command = [*sys.argv[1:], *["reconstruct"] * (len(sys.argv) < 6)]
    print(json.dumps(try_it(Path(folder), *map(int, numbers), command), indent=2))  # noqa: T201
