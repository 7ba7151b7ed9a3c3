"""A template by antspyx of the people of an atlas, as a folder that `bench/atlas.py left-out` reads.

    python bench/atlas_rival.py --data ../shared/data --people 20 --iterations 3 -o runs/atlas/antspyx

The scans are prepared as for `sanum atlas build --masked`. The template begins as their mean on the MNI brain
by an affine each, and goes on by `ants.build_template` (SyN). Each person is then laid onto the last one, and
most people's label is the template's. A stopped run goes on after the last whole iteration.
pip install 'sanum[bench]'.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import ants
import numpy as np

from sanum import __version__
from sanum.methods.atlas.population.atlas import Atlas
from sanum.methods.atlas.population.config import AtlasConfig
from sanum.methods.atlas.population.finish import MOST, names_of
from sanum.methods.atlas.population.members import Member, members_in
from sanum.methods.atlas.population.prepared import prepared, read_labels
from sanum.scan import Scan, read
from sanum.space.grid import Grid, covering
from sanum.space.resample import resample
from sanum.synth.anatomy import mni_brain

_TO_ITK = np.diag([-1.0, -1.0, 1.0])


def image_of(voxels: Any, grid: Grid) -> Any:
    """As antspyx has it."""
    return ants.from_numpy(
        np.asarray(voxels, np.float32),
        origin=tuple(_TO_ITK @ grid.affine[:3, 3]),
        spacing=tuple(grid.spacing_mm),
        direction=_TO_ITK @ grid.affine[:3, :3] / grid.spacing_mm,
    )


def start_of(images: list[Any], grid: Grid) -> Any:
    """Mean of all on the MNI brain, by an affine each."""
    brain, fine = mni_brain()
    fixed = image_of(resample((brain / brain.max()).astype(np.float32), fine, grid), grid)
    warped = [ants.registration(fixed, one, "Affine", random_seed=1)["warpedmovout"] for one in images]
    return image_of(np.mean([one.numpy() for one in warped], axis=0), grid)


def template_of(images: list[Any], iterations: int, grid: Grid, folder: Path) -> Any:
    """The last template."""
    folder.mkdir(parents=True, exist_ok=True)
    template = None
    for number in range(1, iterations + 1):
        kept = folder / f"iteration-{number}.nii.gz"
        if kept.exists():
            template = ants.image_read(str(kept))
            continue
        began = time.process_time()
        template = start_of(images, grid) if template is None else template
        template = ants.build_template(template, images, iterations=1, random_seed=1)
        ants.image_write(template, str(kept))
        print(f"iteration {number}: {time.process_time() - began:.0f} CPU s", flush=True)
    return template


def atlas_of(
    template: Any, grid: Grid, members: list[Member], images: list[Any], config: AtlasConfig
) -> Atlas:
    """Most people's labels on a template, mean and spread."""
    maps = [read_labels(_labels(m), read(m.path).grid, m.path.name) for m in members]
    codes = sorted({int(code) for one in maps for code in np.unique(one.voxels)} - {0})
    counts = np.zeros((len(codes) + 1, *grid.shape), np.float32)
    seen = []
    for one, labels in zip(images, maps, strict=True):
        found = ants.registration(template, one, "SyN", random_seed=1)
        seen.append(found["warpedmovout"].numpy())
        own = warped_labels(template, labels, found["fwdtransforms"])
        row = np.where(own > 0, np.searchsorted(codes, own) + 1, 0)
        np.add.at(counts, (row, *np.indices(grid.shape)), 1 / len(members))
    region = counts[1:].sum(0) >= MOST
    labels = np.where(region, np.asarray(codes)[counts[1:].argmax(0)], 0).astype(np.int32)
    return Atlas(
        grid,
        template.numpy().astype(np.float32),
        np.std(seen, axis=0, ddof=1).astype(np.float32),
        region,
        "T1w",
        labels,
        names=names_of(_labels(members[0]), codes),
        about={
            "sanum": __version__,
            "antspyx": ants.__version__,
            "subjects": [m.subject for m in members],
            "settings": config.__dict__,
        },
    )


def warped_labels(template: Any, labels: Scan, transforms: list[str]) -> Any:
    """Labels of a subject at the template's voxels."""
    moving = image_of(labels.voxels, labels.grid)
    warped = ants.apply_transforms(template, moving, transforms, interpolator="nearestNeighbor")
    return np.rint(warped.numpy()).astype(np.int32)


def _labels(member: Member) -> Path:
    assert member.labels is not None, member.subject
    return member.labels


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    began, config = time.process_time(), AtlasConfig(masked=True)
    members = members_in(given.data / "ixi")[: given.people]
    scans = [prepared(m.path, m.labels, config) for m in members]
    images = [image_of(one.voxels, one.grid) for one in scans]
    print(f"prepared: {time.process_time() - began:.0f} CPU s", flush=True)
    grid = covering(mni_brain()[1], config.spacing_mm)
    template = template_of(images, given.iterations, grid, given.output)
    print(f"template: {time.process_time() - began:.0f} CPU s", flush=True)
    atlas_of(template, grid, members, images, config).save(given.output)
    print(json.dumps({"people": len(members), "cpu_s": round(time.process_time() - began)}), flush=True)


if __name__ == "__main__":
    main()
