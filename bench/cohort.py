"""A cohort as users run it: throughput beside one scan at a time, and memory over time.

python bench/cohort.py --count 200 [--broken 10] [--weights FILE] [--scan FILE] [--spacing MM]

Copies of one scan (default: ICBM152 at 3 mm) with noise of their own through `sanum reconstruct` with the
weights that ship. Beside it, in the same run, some of them one at a time: each by a command of
its own, and one after the other in one process that has all loaded. Prints JSON; exit code 1 if the batch is
less than 1.3 times as fast as single commands, has other images or records, or grows by more than 5 %.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "cohort"))

from stand_in import BROKEN

from sanum.cli.threads import use_threads
from sanum.healthy.demo import icbm152
from sanum.healthy.grids import on_grid
from sanum.healthy.reconstruction import reconstruct
from sanum.methods import registry
from sanum.scan import Scan, read, write
from sanum.space.grid import covering


def copies(scan: Scan, folder: Path, count: int, broken: int) -> list[Path]:
    """Scans with noise of their own, some of them broken in up to ten ways."""
    paths, ways = [], list(BROKEN.values())
    for n in range(count):
        noise = np.random.default_rng(n).normal(0, 0.01 * float(scan.voxels.max()), scan.voxels.shape)
        path = folder / f"sub-{n:03d}" / "anat" / f"sub-{n:03d}_T1w.nii.gz"
        paths.append(write(scan.with_voxels((scan.voxels + noise).astype(np.float32)), path))
        if broken and n % (count // broken) == 1 and n // (count // broken) < broken:
            ways[n // (count // broken) % len(ways)](path)
    return paths


def memory_while(words: list[str]) -> tuple[int, float, list[float]]:
    """Exit code and seconds of a command, and its memory in MB after each scan that it reports."""
    began, memory = time.monotonic(), []
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        for line in process.stderr:
            if ": done in" in line:
                pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
                memory.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
        code = process.wait()
    return code, time.monotonic() - began, memory


def told(record: Path) -> dict[str, object]:
    """A record but for the path, which is below the folder that was given."""
    return {key: value for key, value in json.loads(record.read_text()).items() if key != "input"}


def warm(paths: list[Path], out: Path, threads: int, weights: Path | None) -> float:
    """Seconds a scan, one after the other in this process, after a first one."""
    use_threads(threads)
    predictor = registry.load(weights=weights)
    reconstruct(paths[0], predictor=predictor).save(out / "first")
    began = time.monotonic()
    for n, path in enumerate(paths):
        reconstruct(path, predictor=predictor).save(out / f"{n}")
    return (time.monotonic() - began) / len(paths)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--broken", type=int, default=0)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--scan", type=Path)
    parser.add_argument("--spacing", type=float, default=3.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--single", type=int, default=5, help="scans done one at a time as well, to compare")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        here = Path(place)
        whole = read(args.scan) if args.scan else icbm152()[0]
        scan = whole if args.scan else on_grid(whole, covering(whole.grid, args.spacing))
        copies(scan, here / "in", args.count, args.broken)
        how = ["--threads", str(args.threads), "--device", "cpu"]
        how += ["--weights", str(args.weights)] if args.weights else []
        sanum = [sys.executable, "-m", "sanum", "reconstruct"]
        code, seconds, memory = memory_while([*sanum, str(here / "in"), "-o", str(here / "out"), *how])
        records = sorted((here / "out").rglob("*_record.json"))
        shown = [json.loads(record.read_text())["input"]["path"] for record in records[: args.single]]
        some = [here / "in" / path for path in shown]
        alone, same = [], True
        for record, path in zip(records, some, strict=False):
            began = time.monotonic()
            subprocess.run([*sanum, path, "-o", str(here / "one"), *how], check=True, capture_output=True)
            alone.append(time.monotonic() - began)
            for made in record.parent.glob("*.nii.gz"):
                same &= made.read_bytes() == (here / "one" / made.name).read_bytes()
            same &= told(record) == told(here / "one" / record.name)
        tenth = max(len(memory) // 10, 1)
        early, late = (statistics.median(part) for part in (memory[tenth : 2 * tenth + 1], memory[-tenth:]))
        together, loaded = seconds / len(records), warm(some, here / "warm", args.threads, args.weights)
        report = {
            "voxels of a scan": int(scan.voxels.size),
            "exit code": code,
            "done": len(records),
            "failed": len((here / "out" / "failed.tsv").read_text().splitlines()) - 1,
            "seconds a scan, together": round(together, 2),
            "seconds a scan, a command each": round(statistics.median(alone), 2),
            "seconds a scan, one after the other in one process": round(loaded, 2),
            "times as fast as a command each": round(statistics.median(alone) / together, 2),
            "times as fast as one after the other": round(loaded / together, 2),
            "images and records as of one by one": same,
            "memory MB, second tenth": round(early),
            "memory MB, last tenth": round(late),
            "growth": round(late / early - 1, 4),
            "peak memory MB": json.loads((here / "out" / "run.json").read_text())["peak_memory_mb"],
        }
    print(json.dumps(report, indent=2))
    sys.exit(not (same and statistics.median(alone) / together >= 1.3 and late / early <= 1.05))


if __name__ == "__main__":
    main()
