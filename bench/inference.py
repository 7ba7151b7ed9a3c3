"""Speed and memory of the shipped model on held-out subjects; `sanum evaluate` measures how good it is.

Subjects: the held-out ones of IXI. A 1 mm whole head is a 2 mm scan interpolated.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sanum.data.split import split_subjects
from sanum.healthy.grids import on_grid
from sanum.scan import read, write
from sanum.scan.conform import Conformed, conform
from sanum.space.grid import covering
from sanum.space.mirror import find_mirror
from sanum.synth.box import DEFAULT_BOX


def whole_head(
    t1w: Path, weights: Path | None, repeats: int = 3
) -> tuple[list[float], list[float], tuple[int, ...]]:
    """Seconds and peak MB of the command on a 1 mm whole head, file to files."""
    seconds, memory = [], []
    with tempfile.TemporaryDirectory() as folder:
        scan = read(t1w)
        fine = on_grid(scan, covering(scan.grid, 1.0))
        path = write(fine, Path(folder) / "head_T1w.nii.gz")
        for n in range(repeats):
            out = Path(folder) / f"out{n}"
            call = [sys.executable, "-m", "sanum", "reconstruct", str(path), "-o", str(out)]
            call += ["--threads", "2", "--quiet", *(["--weights", str(weights)] if weights else [])]
            seconds.append(timed(lambda call=call: subprocess.run(call, check=True, capture_output=True)))
            memory.append(json.loads((out / "run.json").read_text())["peak_memory_mb"])
    return seconds, memory, fine.voxels.shape


def in_its_box(t1w: Path) -> Conformed:
    scan = read(t1w)
    return conform(scan, scan.grid.centre_mm, DEFAULT_BOX)


def timed(job: Callable[[], object]) -> float:
    began = time.monotonic()
    job()
    return time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    options = parser.parse_args()
    scans = [t1w for t1w, _ in split_subjects(options.data)[1]]
    mirrors = [timed(lambda x=x: find_mirror(x.image, x.grid)) for x in map(in_its_box, scans)]
    print(f"mirror of a scan: median {statistics.median(mirrors):.1f} s, longest {max(mirrors):.1f} s")
    seconds, memory, shape = whole_head(scans[0], options.weights)
    print(
        f"whole head at 1 mm {shape}, file to files, 2 threads: "
        f"median {statistics.median(seconds):.1f} s ({', '.join(f'{s:.1f}' for s in seconds)}), "
        f"peak {max(memory):.0f} MB"
    )


if __name__ == "__main__":
    main()
