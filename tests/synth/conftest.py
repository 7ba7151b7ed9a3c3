"""A made-up head: ellipsoids for scalp, skull, fluid, grey and white matter."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from sanum.fluid import border_ramp
from sanum.space.box import Box
from sanum.space.grid import Grid, apply_affine
from sanum.space.mirror import reflection
from sanum.synth.anatomy import Anatomy
from sanum.synth.source import Source

CENTRE_MM = (6.0, -10.0, 4.0)  # of the head in the world
FLUID, GREY, WHITE = 0.25, 0.65, 1.0


def parts(grid: Grid) -> dict[str, np.ndarray]:
    """Masks of the head's parts on `grid`."""
    x = apply_affine(grid.affine, np.moveaxis(np.indices(grid.shape), 0, -1)) - CENTRE_MM

    def inside(
        radii: tuple[float, float, float], centre: tuple[float, float, float] = (0, 0, 0)
    ) -> np.ndarray:
        return (((x - centre) / radii) ** 2).sum(-1) < 1

    return {
        "head": inside((76, 92, 78)),
        "skull": inside((70, 86, 70)),
        "brain": inside((62, 78, 62)),
        "white": inside((50, 66, 50)),
        "fluid": inside((7, 24, 12), (11, 6, 8)) | inside((7, 24, 12), (-11, 6, 8)),
        "right nucleus": inside((9, 14, 9), (28, 4, 4)),
        "left nucleus": inside((9, 14, 9), (-28, 4, 4)),
    }


def t1w_of(part: dict[str, np.ndarray]) -> np.ndarray:
    """T1w intensities, white matter 1."""
    x = np.where(part["head"], 0.8, 0.0)
    for name, value in (("skull", 0.15), ("brain", GREY), ("white", WHITE), ("fluid", FLUID)):
        x[part[name]] = value
    for name in ("right nucleus", "left nucleus"):
        x[part[name]] = 0.75
    return x.astype(np.float32)


GREY_LABEL, WHITE_LABEL, FLUID_LABEL, PUTAMEN = 120, 81, 51, 57


def labels_of(part: dict[str, np.ndarray]) -> np.ndarray:
    """DLMUSE labels; the putamen has a left and a right one."""
    labels = np.zeros(part["head"].shape, np.int16)
    labels[part["brain"]] = GREY_LABEL
    labels[part["white"]] = WHITE_LABEL
    labels[part["right nucleus"]] = PUTAMEN
    labels[part["left nucleus"]] = PUTAMEN + 1
    labels[part["fluid"]] = FLUID_LABEL
    return labels


@pytest.fixture(scope="session")
def anatomy() -> Anatomy:
    """The head at 4 mm; its world is MNI's."""
    grid = Box((44, 52, 46), 4.0).grid((4, -8, 2))
    part = parts(grid)
    return Anatomy(
        name="sub-phantom",
        grid=grid,
        t1w=ndimage.gaussian_filter(t1w_of(part), 0.4),
        brain=part["brain"],
        labels=labels_of(part),
        tissue_means=np.array([FLUID, GREY, WHITE]),
        ramp=border_ramp(part["brain"], (4.0, 4.0, 4.0)),
        mirror=reflection([1, 0, 0], CENTRE_MM),
        to_mni=np.eye(4),
    )


@pytest.fixture(scope="session")
def lesion_mask(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lesion 12 mm wide on the right side, as a file in MNI space."""
    grid = Box((90, 100, 90), 2.0).grid()
    x = apply_affine(grid.affine, np.moveaxis(np.indices(grid.shape), 0, -1)) - (40, -6, 10)
    path = tmp_path_factory.mktemp("lesions") / "stroke-000_mask.nii.gz"
    nib.save(nib.Nifti1Image(((x**2).sum(-1) < 144).astype(np.uint8), grid.affine), path)
    return path


GRID = Box((44, 52, 46), 4.0).grid((4, -8, 2))


def bias(grid: Grid) -> np.ndarray:
    """Bias field on `grid`."""
    x = apply_affine(grid.affine, np.moveaxis(np.indices(grid.shape), 0, -1))
    return np.exp(0.25 * np.sin(x[..., 1] / 60) + 0.002 * x[..., 2])


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """T1w with a bias field, and its parcellation, in LAS order as some scanners write."""
    folder = tmp_path_factory.mktemp("subject")
    part = parts(GRID)
    labels = labels_of(part)
    noise = np.random.default_rng(0).normal(0, 0.01, GRID.shape)
    t1w = (t1w_of(part) * bias(GRID) + noise * part["head"]) * 400
    affine = GRID.affine @ np.diag([-1.0, 1, 1, 1])
    affine[:3, 3] = apply_affine(GRID.affine, [GRID.shape[0] - 1, 0, 0])
    paths = folder / "sub-07_T1w.nii.gz", folder / "sub-07_dseg.nii.gz"
    for path, x in zip(paths, (t1w.astype(np.float32), labels), strict=True):
        nib.save(nib.Nifti1Image(x[::-1], affine), path)
    return paths


@pytest.fixture(scope="session")
def prepared_subject(
    files: tuple[Path, Path], prepared_once, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Anatomy, Path]:
    """The subject's anatomy, and the cache that it is kept in."""
    cache = tmp_path_factory.mktemp("cache")
    return prepared_once(*files, cache), cache


@pytest.fixture(scope="session")
def source(
    files: tuple[Path, Path],
    prepared_subject: tuple[Anatomy, Path],
    lesion_mask: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Source:
    """The subject twice, under a BIDS root, with one lesion mask."""
    root = tmp_path_factory.mktemp("bids")
    for name in ("sub-07", "sub-08"):
        for file, place in zip(
            files, (f"{name}/anat/{name}_T1w", f"derivatives/dlmuse/{name}/{name}_dseg"), strict=True
        ):
            path = root / f"{place}.nii.gz"
            path.parent.mkdir(parents=True)
            path.write_bytes(file.read_bytes())
    return Source(root, lesion_mask.parent, prepared_subject[1])
