"""Scans for the bench of the two witnesses: what the network says of real and made ones, in a cache."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from scipy import ndimage

from sanum.data.split import split_masks, split_subjects
from sanum.healthy.evidence import Evidence, evidence, weigh_surroundings
from sanum.healthy.grids import to_scan_grid
from sanum.healthy.localize import refuse
from sanum.healthy.postprocess import postprocess
from sanum.healthy.reconstruction import predict
from sanum.healthy.residual import own_contrast_residual
from sanum.healthy.rule import Rule
from sanum.healthy.witness import fused
from sanum.methods.anatomy.una.predict import UnaPredictor
from sanum.methods.common.anatomy import Maps
from sanum.metrics.overlap import dice_curve
from sanum.scan import Scan, read
from sanum.scan.conform import Conformed
from sanum.scan.contrast import CT_WINDOW_HU, Contrast
from sanum.scan.intensity import with_background_at_zero
from sanum.scan.maps import read_map_on
from sanum.space.grid import Grid
from sanum.space.mirror import find_mirror
from sanum.space.resample import resample
from sanum.synth.anatomy import prepare
from sanum.synth.box import DEFAULT_BOX, DEFAULT_GRID
from sanum.synth.contrast import CALLED, Preset
from sanum.synth.generator import apply_sample, draw_sample

SEED = 16  # of made scans; trainings have others
FINE_MM = 1.0  # voxels of every other made scan
Kind = Literal["made", "healthy", "unseen"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True, eq=False)
class Raw:
    """A scan and what the network says of it, in the box of the brain, on the scan's own grid.

    `missed` are voxels of the lesion outside of the brain that was found; `contrast` is "" if not known.
    """

    group: str
    contrast: str
    image: np.ndarray
    anatomy: np.ndarray
    p: np.ndarray
    brain: np.ndarray
    lesion: np.ndarray
    missed: int
    affine: np.ndarray


@dataclass(frozen=True, eq=False)
class Case:
    """What both witnesses say of the voxels of a brain."""

    name: str
    group: str
    contrast: str | None
    p: np.ndarray
    found: Evidence
    image: np.ndarray
    lesion: np.ndarray
    missed: int
    voxel_ml: float
    failure: str | None

    def both(self, rule: Rule) -> np.ndarray:
        """The probability of both; the network's where the residual is left out."""
        return self.p if self.failure else fused(self.p, self.found, self.contrast, rule)

    @property
    def z(self) -> np.ndarray:
        """The residual in the direction of lesions."""
        return evidence(self.found.z, self.contrast)

    def dice(self, score: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
        """Dice at each threshold."""
        truth = np.concatenate([self.lesion, np.ones(self.missed, bool)])
        low = np.full(self.missed, -np.inf, score.dtype)
        return dice_curve(np.concatenate([score, low]), truth, thresholds)

    def ml(self, score: np.ndarray, threshold: float) -> float:
        """Volume above a threshold in mL."""
        return float((score > threshold).sum()) * self.voxel_ml


def kept(folder: Path, name: str, make: Callable[[], Raw]) -> Case:
    """The case of a name, from the cache or made."""
    path = folder / f"{name}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        raw = make()
        with path.with_suffix(".part").open("wb") as file:
            np.savez_compressed(file, **vars(raw))
        path.with_suffix(".part").rename(path)
    with np.load(path) as data:
        read_back = {f.name: data[f.name] for f in fields(Raw)}
    return case_of(name, Raw(**{k: v.item() if v.ndim == 0 else v for k, v in read_back.items()}))


def name_of(predictor: UnaPredictor) -> str:
    """Of the network's parameters, whatever rule is beside them."""
    return sha256(b"".join(x.numpy().tobytes() for x in predictor.net.state_dict().values())).hexdigest()[:8]


def case_of(name: str, raw: Raw) -> Case:
    """The residual of a scan, and what is around."""
    grid, contrast, brain = Grid(raw.brain.shape, raw.affine), raw.contrast or None, raw.brain
    heard = own_contrast_residual(raw.image, raw.anatomy, brain, grid.spacing_mm, ct=contrast == "CT")
    found = weigh_surroundings(heard.z, heard.said, grid, find_mirror(raw.anatomy, grid), contrast)
    return Case(
        name,
        raw.group,
        contrast,
        raw.p[brain],
        Evidence(*(x[brain] for x in vars(found).values())),
        raw.image[brain],
        raw.lesion[brain],
        raw.missed,
        grid.voxel_volume_ml,
        heard.failure,
    )


def real_scan(path: Path, group: str, lesion: Path | None, predictor: UnaPredictor) -> Raw:
    """A real scan on its own grid, by the main job."""
    scan = read(path)
    look = predict(scan, predictor, lambda _: None, refuse)
    truth = np.zeros(scan.voxels.shape, bool)
    if lesion is not None:
        truth = np.asarray(read_map_on(lesion, scan.grid, scan=path.name).voxels) > 0
    return _raw(scan, look.conformed, look.maps, group, look.decided.contrast or "", truth)


def made_scan(
    number: int, kind: Kind, preset: Preset, data: Path, anatomies: Path, predictor: UnaPredictor
) -> Raw:
    """A made scan on voxels of 1 or 2 mm, in a pose that is known.

    "made" and "healthy" are of heads and with lesions of training, "unseen" of those that are held out.
    Healthy ones are mildly corrupted, as most scans are; the others are of all levels.
    """
    held, healthy = kind == "unseen", kind == "healthy"
    heads, masks = split_subjects(data)[held], split_masks(data)[held]
    rng = np.random.default_rng([SEED, KINDS.index(kind), number])
    anatomy = prepare(*heads[int(rng.integers(len(heads)))], anatomies)
    box = DEFAULT_BOX.at_spacing(FINE_MM) if number % 2 else DEFAULT_BOX
    params = draw_sample(
        rng,
        anatomy,
        masks,
        preset=preset,
        level="mild" if healthy else None,
        draws="world",
        healthy=float(healthy),
        spacing_mm=box.spacing_mm,
    )
    sample, grid, told = apply_sample(anatomy, params, box=box.grid()), box.grid(), CALLED[preset]
    pair = np.stack([resample(x, grid, DEFAULT_GRID) for x in sample.image])
    conformed = Conformed(pair[0], np.ones(pair[0].shape, bool), DEFAULT_GRID)
    maps = postprocess(maps_in_pose(predictor, pair, sample.to_atlas, told), conformed)
    image = sample.image[0] * np.float32(CT_WINDOW_HU[1] if preset == "ct" else 1)
    return _raw(Scan(image, grid.affine, told), conformed, maps, f"made-{anatomy.name}", told, sample.lesion)


@torch.inference_mode()
def maps_in_pose(predictor: UnaPredictor, pair: np.ndarray, pose: np.ndarray, told: Contrast) -> Maps:
    """As the predictor gives them, without the search for the pose: it is known of a made scan."""
    x = torch.from_numpy(np.ascontiguousarray(pair, dtype=np.float32))[None]
    across = np.diag([-1.0, 1, 1, 1])
    maps = predictor._maps(x, pose, told) + predictor._maps(x.flip(2), across @ pose @ across, told).flip(1)
    return Maps(*(maps / 2).numpy())


def _raw(scan: Scan, conformed: Conformed, maps: Maps, group: str, contrast: str, truth: np.ndarray) -> Raw:
    there = to_scan_grid(maps, conformed.grid, scan)
    brain = np.asarray(there.brain.voxels) > 0
    box = ndimage.find_objects(brain.view(np.uint8))[0]
    image = np.asarray(with_background_at_zero(scan).voxels)
    return Raw(
        group,
        contrast,
        image[box].astype(np.float32),
        np.asarray(there.anatomy.voxels)[box].astype(np.float32),
        np.asarray(there.anomaly.voxels)[box].astype(np.float32),
        brain[box],
        truth[box],
        int((truth & ~brain).sum()),
        scan.grid.part(box).affine,
    )
