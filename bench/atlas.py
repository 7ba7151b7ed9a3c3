"""Atlases on real heads: left-out people, patients with a mask, and subgroups.

    python bench/atlas.py left-out ATLAS --data ../shared/data -o runs/atlas-left-out.json
    python bench/atlas.py patients ATLAS --data ../shared/data -o runs/atlas-patients.json
    python bench/atlas.py subgroups runs/subgroups --data ../shared/data -o runs/atlas-subgroups.json

ATLAS is a folder of `sanum atlas build`, or adults; of subgroups, a folder for those that are built there.
Left-out people are the last of the data set (`--last`), which the atlas must not hold. `--how`: by our
registration, by antspyx's SyN (pip install 'sanum[bench]'), or by both; SyN lays them onto a template of
`bench/atlas_rival.py` as well.
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

import sanum
from sanum.cohort.bids.participants import read_participants
from sanum.data.attributes import parse_by
from sanum.methods.atlas.population.atlas import Atlas
from sanum.methods.atlas.population.compare import BEYOND, OnAtlas, compare
from sanum.methods.atlas.population.config import AtlasConfig
from sanum.methods.atlas.population.finish import tissues_of
from sanum.methods.atlas.population.lay import places
from sanum.methods.atlas.population.members import Member, group_of, members_in
from sanum.methods.atlas.population.norms import age_of, sex_of
from sanum.methods.atlas.population.predict import open_atlas
from sanum.methods.atlas.population.prepared import labelled, prepare, read_labels
from sanum.scan import Scan, read
from sanum.scan.maps import read_map
from sanum.space.grid import Grid
from sanum.space.resample import resample
from sanum.synth.schemes import DLMUSE, GROUPS

PATIENTS = (
    (
        "glioma1",
        "sub-glioma1/anat/sub-glioma1_space-SRI24_desc-brain_T1w.nii.gz",
        "sub-glioma1/anat/*dseg.nii.gz",
    ),
    ("glioma2", "sub-glioma2/anat/*T1w.nii.gz", "sub-glioma2/anat/*dseg.nii.gz"),
    ("ms1", "sub-ms1/anat/*T1w.nii.gz", "sub-ms1/anat/*mask.nii.gz"),
)


def structures(atlas: Atlas) -> dict[str, list[int]]:
    """Labels of each tissue and group of nuclei."""
    tissue = {name: sorted(part) for name, part in tissues_of(DLMUSE, list(atlas.names)).items()}
    nuclei = {name: list(group) for name, group in zip(GROUPS, DLMUSE.groups, strict=True)}
    return {**tissue, **nuclei, "lateral ventricles": [49, 50, 51, 52]}


def dice(one: Any, other: Any, codes: list[int]) -> float:
    """Overlap of the union of some labels."""
    a, b = np.isin(one, codes), np.isin(other, codes)
    return float(2 * (a & b).sum() / max(1, a.sum() + b.sum()))


def nearest(labels: Scan, at: Any) -> Any:
    """Labels at places (3, X, Y, Z) in their voxels."""
    index = np.rint(at).astype(int)
    inside = np.all([(i >= 0) & (i < n) for i, n in zip(index, labels.voxels.shape, strict=True)], axis=0)
    return np.where(inside, labels.voxels[tuple(np.where(inside, i, 0) for i in index)], 0)


def by_syn(atlas: Atlas, moving: Scan, labels: Scan) -> Any:
    """Labels of a subject at the template's voxels, by antspyx."""
    import ants

    def image(voxels: Any, grid: Grid) -> Any:
        flip = np.diag([-1.0, -1, 1])
        direction = flip @ grid.affine[:3, :3] / grid.spacing_mm
        return ants.from_numpy(
            np.asarray(voxels, np.float32),
            origin=tuple(flip @ grid.affine[:3, 3]),
            spacing=tuple(grid.spacing_mm),
            direction=direction,
        )

    fixed = image(np.where(atlas.region, atlas.template, 0), atlas.grid)
    found = ants.registration(fixed, image(moving.voxels, moving.grid), "SyN", random_seed=1)
    warped = ants.apply_transforms(
        fixed, image(labels.voxels, labels.grid), found["fwdtransforms"], interpolator="nearestNeighbor"
    )
    return np.rint(warped.numpy()).astype(int)


def left_out(atlas: Atlas, data: Path, last: int, how: str) -> list[dict[str, Any]]:
    """Dice of each structure against the atlas's labels, and how much of the brain is beyond |z| 4."""
    rows = []
    for member in members_in(data / "ixi")[-last:]:
        assert member.subject not in atlas.about["subjects"], member.subject
        rows.append(one_left_out(atlas, member, how))
        print(json.dumps(rows[-1]), flush=True)
    return rows


def one_left_out(atlas: Atlas, member: Member, how: str) -> dict[str, Any]:
    """Of one person."""
    assert member.labels is not None
    scan = read(member.path)
    labels = read_labels(member.labels, scan.grid, member.path.name)
    row: dict[str, Any] = {"subject": member.subject, "dice": {}}

    def told(name: str, own: Any) -> None:
        row["dice"][name] = {p: dice(own, atlas.labels, codes) for p, codes in structures(atlas).items()}

    if how in ("ours", "both"):
        began = time.process_time()
        z = compare(atlas, scan, brain=labels)
        row["seconds"], row["beyond"] = time.process_time() - began, z.beyond
        row["beyond_atlas"] = float((np.abs(z.z_atlas.voxels[atlas.region]) > BEYOND).mean())
        rest = OnAtlas(atlas, z.placed.world, z.placed.velocity * 0, z.placed.stride)
        for name, one in (("affine", rest), ("ours", z.placed)):
            told(name, nearest(labels, places(labels.grid, one.world, atlas.grid, one.shift)))
    if how in ("syn", "both"):
        moving = prepare(scan, AtlasConfig(**atlas.about["settings"]), labelled(labels, scan.grid))
        told("SyN", by_syn(atlas, moving, labels))
    return row


def patients(atlas: Atlas, data: Path) -> list[dict[str, Any]]:
    """AUC of |z| against the mask in the brain: laid by the healthy anatomy, and by the scan itself."""
    rows = []
    for name, scans, masks in PATIENTS:
        root = data / "patients"
        path, mask_path = sorted(root.glob(scans))[0], sorted(root.glob(masks))[0]
        scan = read(path)
        mask = read_map(mask_path)
        truth = resample((mask.voxels > 0).astype(np.float32), mask.grid, scan.grid) > 0.5
        result = sanum.reconstruct(path, compose="keep-healthy")
        row: dict[str, Any] = {"patient": name, "lesion_ml": float(truth.sum() * scan.grid.voxel_volume_ml)}
        brain = result.brain
        for how, healthy in (("healthy anatomy", result.anatomy), ("scan itself", None)):
            found = compare(atlas, scan, healthy=healthy, brain=brain)
            inside = found.region
            row[how] = float(roc_auc_score(truth[inside], np.abs(found.z.voxels[inside])))
            row[f"{how}, beyond"] = found.beyond
            row[f"{how}, median |z|"] = float(np.median(np.abs(found.z.voxels[inside & truth])))
        inside = np.asarray(brain.voxels) > 0
        row["una"] = float(roc_auc_score(truth[inside], result.anomaly.voxels[inside]))
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def known_people(data: Path) -> list[Member]:
    """Of IXI, with age and sex."""
    rows = read_participants(data / "ixi" / "participants.tsv", ())[0]
    members = [replace(m, columns=rows.get(m.subject, {})) for m in members_in(data / "ixi")]
    return [m for m in members if age_of(m.columns) and sex_of(m.columns)]


def subgroups(folder: Path, data: Path) -> list[dict[str, Any]]:
    """Dice of left-out people against an atlas of all, of their sex, and of their half of the ages."""
    people = known_people(data)
    by_sex = {sex: [m for m in people if sex_of(m.columns) == sex] for sex in "FM"}
    out = [
        m for sex, count in (("F", 4), ("M", 2)) for m in by_sex[sex][:: len(by_sex[sex]) // count][:count]
    ]
    kept = [m for m in people if m not in out]
    middle = float(np.median([age_of(m.columns) or 0 for m in kept]))
    root = folder / "people"
    for name in (
        "participants.tsv",
        "derivatives",
        "dataset_description.json",
        *(m.subject for m in kept),
    ):
        link = root / name
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to((data / "ixi" / name).resolve())
    splits = {"pooled": "", "by sex": "sex", "by age": f"age:{middle:g}"}
    words = ("--masked", "--reference", "mni", "--no-volumes", "--known", "--threads", "1")
    for by in splits.values():
        command = [sys.executable, "-m", "sanum", "atlas", "build", root, "-o", folder, *words, "--by", by]
        subprocess.run([str(word) for word in command], check=False)  # 2: they are there already
    rows = []
    for member in out:
        row: dict[str, Any] = {"subject": member.subject, **member.columns}
        for name, by in splits.items():
            group = "_".join(group_of(one, member.columns) for one in (parse_by(by) if by else []))
            atlas = open_atlas(str(folder / group))
            row[name] = one_left_out(atlas, member, "ours")["dice"]["ours"]
            row[f"{name}, people"] = len(atlas.about["subjects"])
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("left-out", "patients", "subgroups"))
    parser.add_argument("atlas")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--last", type=int, default=8)
    parser.add_argument("--how", choices=("ours", "syn", "both"), default="ours")
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    if given.what == "subgroups":
        rows = subgroups(Path(given.atlas), given.data)
    elif given.what == "left-out":
        rows = left_out(open_atlas(given.atlas), given.data, given.last, given.how)
    else:
        rows = patients(open_atlas(given.atlas), given.data)
    given.output.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
