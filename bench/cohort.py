"""A cohort through the real code path: what is done, what failed, memory over time, speed against one by one.

python bench/cohort.py --count 200 [--weights FILE] [--scan FILE]

Copies of one scan (default ICBM152 at 6 mm) with noise of their own, ten of them broken in ten ways, through
`sanum reconstruct` with a network of random weights and two levels, unless others are given. Prints JSON.
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
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "cohort"))

from stand_in import BROKEN

from sanum.demo import icbm152
from sanum.learn.weights import save_weights
from sanum.methods.una.model import Una
from sanum.reconstruction import on_grid
from sanum.scan import Scan, read, write
from sanum.space.grid import covering


def tiny_weights(path: Path) -> Path:
    """A network that calls everything brain, and else says what random weights say."""
    torch.manual_seed(0)
    net = Una([8, 8])
    with torch.no_grad():
        net.net.fine.bias.view(5, -1)[3] = 1.0
    save_weights(path, net.state_dict(), method="una", widths=[8, 8])
    return path


def copies(scan: Scan, folder: Path, count: int) -> list[Path]:
    """Scans with noise of their own; every `count` / 10-th is broken."""
    paths, ways = [], list(BROKEN.values())
    for n in range(count):
        noise = np.random.default_rng(n).normal(0, 0.01 * float(scan.voxels.max()), scan.voxels.shape)
        path = folder / f"sub-{n:03d}" / "anat" / f"sub-{n:03d}_T1w.nii.gz"
        paths.append(write(scan.with_voxels((scan.voxels + noise).astype(np.float32)), path))
        if count >= 10 and n % (count // 10) == 1 and n // (count // 10) < 10:
            ways[n // (count // 10)](path)
    return paths


def memory_while(words: list[str]) -> tuple[int, float, list[float]]:
    """Exit code and seconds of a command, and its memory in MB after each scan that it told of."""
    began, memory = time.monotonic(), []
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        for line in process.stderr:
            if ": done in" in line:
                pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
                memory.append(pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
        code = process.wait()
    return code, time.monotonic() - began, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--scan", type=Path)
    parser.add_argument("--threads", default="2")
    parser.add_argument("--single", type=int, default=3, help="scans done one by one as well, to compare")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        here = Path(place)
        scan = read(args.scan) if args.scan else on_grid(whole := icbm152()[0], covering(whole.grid, 6.0))
        weights = args.weights or tiny_weights(here / "tiny.safetensors")
        copies(scan, here / "in", args.count)
        how = ["--weights", str(weights), "--threads", args.threads, "--device", "cpu"]
        sanum = [sys.executable, "-m", "sanum", "reconstruct"]
        code, seconds, memory = memory_while([*sanum, str(here / "in"), "-o", str(here / "out"), *how])
        records = sorted((here / "out").rglob("*_record.json"))
        began = time.monotonic()
        same = True
        for record in records[: args.single]:
            path = json.loads(record.read_text())["input"]["path"]
            subprocess.run([*sanum, path, "-o", str(here / "one"), *how], check=True, capture_output=True)
            for made in record.parent.glob("*.*"):
                same &= made.read_bytes() == (here / "one" / made.name).read_bytes()
        alone = (time.monotonic() - began) / max(args.single, 1)
        tenth = max(len(memory) // 10, 1)
        early, late = (statistics.median(part) for part in (memory[tenth : 2 * tenth + 1], memory[-tenth:]))
        told = {
            "exit code": code,
            "done": len(records),
            "failed": len((here / "out" / "failed.tsv").read_text().splitlines()) - 1,
            "seconds a scan, together": round(seconds / max(len(records), 1), 2),
            "seconds a scan, one by one": round(alone, 2),
            "files as of one by one": same,
            "memory MB, second tenth": round(early),
            "memory MB, last tenth": round(late),
            "growth": round(late / early - 1, 4),
        }
    print(json.dumps(told, indent=2))


if __name__ == "__main__":
    main()
