"""The brain mask beside that of deepbet (Fisch et al. 2024), on whole heads of held-out subjects.

Reference: the parcellation's brain, gaps closed, of the held-out IXI subjects. It is made by a network, of
the kind that our mask was trained on (other subjects), so it is nearer to our idea of where a brain ends than
to deepbet's. deepbet (MIT; it needs two LGPL packages, so it is no extra of ours) lives in an environment of
its own:

    python3 -m venv deepbet && deepbet/bin/pip install deepbet==1.0.2
    python bench/brain_mask.py --data DATA --deepbet deepbet/bin/python

Time is CPU seconds in one thread, of the first subject: the whole of our job, which gives more than a mask,
and deepbet's without loading its model. Prints a Markdown table.
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import sanum
from sanum.data.split import split_subjects
from sanum.evaluation import Case
from sanum.evaluation.tasks.anatomy.kept import result_of
from sanum.methods import registry
from sanum.metrics.errors import dice
from sanum.metrics.statistics import mean_over_subjects
from sanum.scan import Scan, read, write
from sanum.scan.maps import read_map_on
from sanum.space.resample import resample
from sanum.synth.anatomy import prepare
from sanum.types import Mask

OF_DEEPBET = """
import json, sys, time, torch
from deepbet import BrainExtraction
torch.set_num_threads(1)
bet = BrainExtraction(no_gpu=True)
seconds = []
for scan, mask in json.load(sys.stdin):
    began = time.process_time()
    bet.run(scan, mask_path=mask)
    seconds.append(time.process_time() - began)
print(json.dumps(seconds))
"""


@dataclass(frozen=True, eq=False)
class Head:
    """A subject with the reference.

    Parameters
    ----------
    name : str
    path : Path
        NIfTI file of the whole head.
    scan : Scan
        What is in it.
    brain : (X, Y, Z) bool
        The reference, on the scan's grid.
    """

    name: str
    path: Path
    scan: Scan
    brain: Mask


def heads(data: Path, cache: Path, count: int | None) -> Iterator[Head]:
    """The first so many held-out subjects."""
    for t1w, labels in split_subjects(data)[1][:count]:
        scan, anatomy = read(t1w), prepare(t1w, labels, cache)
        brain = resample(anatomy.brain, anatomy.grid, scan.grid, order=0) > 0.5
        yield Head(t1w.name.partition("_")[0], t1w, scan, brain)


def by_deepbet(found: Sequence[Head], python: Path) -> tuple[list[Mask], list[float]]:
    """Masks, and CPU seconds of each."""
    with tempfile.TemporaryDirectory() as folder:
        pairs = []
        for head in found:
            path = Path(folder) / f"{head.name}.nii"  # not compressed: it refuses small files
            write(head.scan, path)
            pairs.append([str(path), str(path.with_name(f"{head.name}_mask.nii"))])
        words = [python, "-I", "-c", OF_DEEPBET]
        told = subprocess.run(words, input=json.dumps(pairs), text=True, check=True, stdout=subprocess.PIPE)
        seconds = json.loads(told.stdout.splitlines()[-1])
        masks = [
            np.asarray(read_map_on(Path(mask), head.scan.grid, scan=head.name).voxels) > 0
            for head, (_, mask) in zip(found, pairs, strict=True)
        ]
    return masks, seconds


def by_us(found: Sequence[Head], weights: Path | None, kept: Path | None) -> tuple[list[Mask], list[float]]:
    """Masks, and CPU seconds of the first."""
    method = registry.load("una", weights=weights)
    began = time.process_time()
    sanum.reconstruct(found[0].path, predictor=method)
    seconds = [time.process_time() - began]
    cases = [Case("ixi", h.path.name.split(".")[0], h.name, "T1w", h.name, h.path) for h in found]
    return [np.asarray(result_of(c, method, kept).brain.voxels) > 0 for c in cases], seconds


def table(found: Sequence[Head], rows: Mapping[str, tuple[list[Mask], list[float]]]) -> str:
    """Dice, and volume less that of the reference, by method."""
    lines = [
        "| method | n | Dice | lowest Dice | volume less the reference, % | s |",
        "|---|---|---|---|---|---|",
    ]
    names = [h.name for h in found]
    for name, (masks, seconds) in rows.items():
        overlap = [dice(mask, h.brain) for mask, h in zip(masks, found, strict=True)]
        more = [100 * (m.sum() / h.brain.sum() - 1) for m, h in zip(masks, found, strict=True)]
        cells = (
            mean_over_subjects(overlap, names).text(4),
            f"{min(overlap):.4f}",
            mean_over_subjects(more, names).text(1),
            f"{seconds[0]:.1f}",
        )
        lines.append(f"| {name} | {len(found)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--deepbet", type=Path, help="Python of its environment; without it, ours alone.")
    parser.add_argument("--weights", type=Path, help="A file of sanum train; default those that ship.")
    parser.add_argument("--cache", type=Path, default=Path("runs/cache"))
    parser.add_argument("--kept", type=Path, help="Folder of kept results, as runs/real/maps of real.py.")
    parser.add_argument("--subjects", type=int, help="The first so many.")
    options = parser.parse_args()
    found = list(heads(options.data, options.cache, options.subjects))
    rows = {"sanum": by_us(found, options.weights, options.kept)}
    if options.deepbet:
        rows["deepbet"] = by_deepbet(found, options.deepbet)
    print(table(found, rows))


if __name__ == "__main__":
    main()
