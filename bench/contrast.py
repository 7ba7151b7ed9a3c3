"""What the main job guesses of scans whose name and header are hidden: how many right, unknown and wrong.

The scans of patients and of old people, healthy T1w, every sixth IXI, CT and PD; a CT in Hounsfield units is
told by its values. `--looks` also prints what the guess follows from. Needs the data folder; one pass to find
the brain and one to guess, 15 s a scan on a busy core. Prints a Markdown table.
"""

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from sanum.healthy.contrast import guess_contrast, look_of
from sanum.healthy.localize import find_brain, pair_with_mirror
from sanum.healthy.reconstruction import thinned
from sanum.methods import registry
from sanum.methods.common.anatomy import Predictor
from sanum.scan import Scan, read
from sanum.scan.conform import conform
from sanum.scan.contrast_words import contrast_of
from sanum.scan.intensity import with_background_at_zero
from sanum.scan.padding import with_dropped_slices, without_padding
from sanum.space.mirror import find_mirror

FOLDERS = ("patients", "old", "normal", "heads-1mm", "ct", "ixi")
SERIES = {"dicom/ct-head": "CT", "dicom/pd-axial": "PD"}
NO_SCANS = ("_mask", "_dseg")


def scans(data: Path) -> Iterator[tuple[str, str, Scan]]:
    """Name, contrast and scan, with nothing to tell its contrast but the voxels."""
    for folder in FOLDERS:
        found = sorted(p for p in (data / folder).rglob("*.[nm]*") if "derivatives" not in p.parts)
        found = [p for p in found if contrast_of(p) and not any(word in p.name for word in NO_SCANS)]
        for path in found[:: 6 if folder == "ixi" else 1]:
            yield f"{folder}/{path.name}", contrast_of(path) or "", hidden(path)
    for series, contrast in SERIES.items():
        yield series, contrast, hidden(data / series)


def hidden(path: Path) -> Scan:
    """A scan without its name, and what its header said of the contrast."""
    return read(replace(read(path), contrast=None, contrast_by="nobody", path=None, warnings=()))


def guess(scan: Scan, predictor: Predictor, *, looks: bool) -> str | None:
    """As the main job does, before the network is told."""
    if scan.contrast:
        return scan.contrast
    seen = with_background_at_zero(without_padding(with_dropped_slices(scan)))
    thin, spacing = thinned(seen, predictor.box.spacing_mm / 2), predictor.box.spacing_mm
    conformed = conform(thin, find_brain(thin, predictor, lambda _: None), predictor.box)
    maps = predictor(pair_with_mirror(conformed, find_mirror(conformed.image, conformed.grid)), quick=True)
    if looks and (look := look_of(conformed.image, maps, spacing)):
        print("  ".join(f"{key} {value:.2f}" for key, value in asdict(look).items()))
    return guess_contrast(conformed.image, maps, spacing)


def main() -> None:
    """One line for each scan that was not right, and the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--looks", action="store_true")
    given = parser.parse_args()
    predictor, count = registry.load("una"), Counter[tuple[str, str]]()
    for name, contrast, scan in scans(given.data):
        found = guess(scan, predictor, looks=given.looks)
        kind = "unknown" if found is None else "right" if found == contrast else "wrong"
        count[contrast, kind] += 1
        if kind != "right" or given.looks:
            print(f"{name}: {contrast} is {found or 'unknown'}", flush=True)
    kinds = ("right", "unknown", "wrong")
    print("\n| contrast | right | unknown | wrong |\n|---|---|---|---|")
    for contrast in sorted({c for c, _ in count}):
        print(f"| {contrast} | {' | '.join(str(count[contrast, kind]) for kind in kinds)} |")


if __name__ == "__main__":
    main()
