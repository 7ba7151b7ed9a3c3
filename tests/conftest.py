"""What several rooms' tests need."""

import os
import shutil
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

from sanum.methods.common.anatomy import Maps
from sanum.scan import Scan, write
from sanum.scan.contrast import Contrast
from sanum.space import mirror
from sanum.space.box import Box
from sanum.space.grid import Grid, apply_affine
from sanum.synth.box import DEFAULT_BOX

PHANTOM_CENTRE_MM = (6.0, -10.0, 4.0)
PHANTOM_LESION_MM = (40.0, -6.0, 10.0)
COARSE_BOX = Box((40, 48, 40), 4.0)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`make test-full` imports the files of heavy proofs only: most files have none."""
    if config.option.markexpr != "full" or collection_path.suffix != ".py":
        return None
    return "mark.full" not in collection_path.read_text(encoding="utf-8") or None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real scans: `SANUM_DATA`, or `shared/data` beside the repository; skips where neither is."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SANUM_DATA", default))
    if not folder.is_dir():
        pytest.skip("real data is not here (set SANUM_DATA)")
    return folder


def phantom_on(grid: Grid) -> Scan:
    """A stripped brain of ellipsoids: fluid 0.25, grey 0.65, white 1, a lesion of 1.4 on the right."""
    x = apply_affine(grid.affine, np.moveaxis(np.indices(grid.shape), 0, -1)) - PHANTOM_CENTRE_MM
    voxels = np.zeros(grid.shape, np.float32)
    for radii, centre, value in (
        ((62, 78, 62), (0, 0, 0), 0.65),
        ((50, 66, 50), (0, 0, 0), 1.0),
        ((7, 24, 12), (11, 6, 8), 0.25),
        ((7, 24, 12), (-11, 6, 8), 0.25),
        ((12, 12, 12), np.subtract(PHANTOM_LESION_MM, PHANTOM_CENTRE_MM), 1.4),
    ):
        voxels[(((x - centre) / radii) ** 2).sum(-1) < 1] = value
    return Scan(voxels, grid.affine)


@pytest.fixture(scope="session")
def phantom() -> Scan:
    """The phantom at 3 mm."""
    return phantom_on(Box((50, 60, 50), 3.0).grid((4, -8, 2)))


@pytest.fixture(scope="session")
def phantom_file(phantom: Scan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The phantom on disk; tests copy it, or only read it."""
    return write(phantom, tmp_path_factory.mktemp("phantom") / "scan.nii.gz")


@pytest.fixture(scope="session", autouse=True)
def mirrors_found_once() -> Iterator[None]:
    """From one start in the very same volume, the plane of symmetry is searched for once: over a second."""
    search, found = mirror._descend, {}

    def once(score, start, **how):
        volume = sha256(score.volume.numpy().tobytes()).digest()
        place = (*score.grid.shape, *score.grid.affine.flat, *score.centre, *start)
        key = (volume, place, tuple(how.items()), torch.get_num_threads())
        if key not in found:
            found[key] = search(score, start, **how)
        return np.array(found[key][0]), found[key][1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mirror, "_descend", once)
        yield


@pytest.fixture
def rough_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plane of symmetry is the best of a raster, and is not refined: for tests of the plumbing."""
    monkeypatch.setattr("sanum.space.mirror._descend", lambda _, start, **__: (np.array(start), 0.0))


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports without their pictures, which take most of the time and are looked at in `tests/report`."""
    monkeypatch.setattr("sanum.report.html.montage", lambda *_: None)
    monkeypatch.setattr("sanum.report.html.to_jpeg", lambda _: b"\xff\xd8\xff")


class PhantomPredictor:
    """A method that knows the phantom: brain where it is bright, anomaly where it is very bright.

    It sees voxels of 4 mm, for speed; what is about the box of the shipped network gives it that one.
    """

    weights_name = "none"
    weights_sha256 = "0" * 64
    device = "cpu"
    memory_plan = None
    box = COARSE_BOX

    def __call__(
        self,
        pair: np.ndarray,
        *,
        covered: np.ndarray | None = None,
        quick: bool = False,
        contrast: Contrast = "unknown",
    ) -> Maps:
        image = pair[0]
        brain = np.clip((image - 0.1) / 0.1, 0, 1)
        anomaly = np.clip((image - 1.1) / 0.2, 0, 1)
        return Maps(np.minimum(image, 1), anomaly, brain, np.full_like(image, 0.05))


@pytest.fixture(scope="session")
def phantom_predictor_type() -> type[PhantomPredictor]:
    """For fixtures that last longer than a test."""
    return PhantomPredictor


@pytest.fixture
def phantom_predictor() -> PhantomPredictor:
    """For tests of the plumbing; the shipped network is tested on ICBM152."""
    return PhantomPredictor()


@pytest.fixture
def phantom_predictor_2mm(phantom_predictor: PhantomPredictor) -> PhantomPredictor:
    """The same in the box of the shipped network."""
    phantom_predictor.box = DEFAULT_BOX
    return phantom_predictor


@pytest.fixture(scope="session")
def icbm152_2mm() -> Scan:
    """A real scan that everyone has: the ICBM152 T1w of nilearn at 2 mm."""
    import nibabel as nib
    from nilearn.datasets import load_mni152_template

    image = nib.as_closest_canonical(load_mni152_template(resolution=2))
    voxels = np.asarray(image.dataobj, dtype=np.float32)
    return Scan(np.where(voxels > 0.05 * voxels.max(), voxels, 0), image.affine, "T1w")  # spline ringing


def _ellipsoid(x: np.ndarray, radii: tuple, centre: tuple = (0, 0, 0)) -> np.ndarray:
    return (((x - centre) / radii) ** 2).sum(-1) < 1


@pytest.fixture(scope="session")
def training_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine made-up subjects, all alike, eight of them held out, and a lesion mask, as in shared/data."""
    import nibabel as nib

    fluid, cortex, white, caudate = 51, 120, 81, 36  # DLMUSE numbers
    root = tmp_path_factory.mktemp("training-data")
    grid = Box((48, 56, 48), 4.0).grid((2, -8, 4))
    x = apply_affine(grid.affine, np.moveaxis(np.indices(grid.shape), 0, -1)) - (2, -12, 6)
    head, brain = _ellipsoid(x, (76, 92, 78)), _ellipsoid(x, (62, 78, 62))
    labels = np.where(brain, cortex, 0)
    labels[_ellipsoid(x, (50, 66, 50))] = white
    labels[_ellipsoid(x, (9, 14, 9), (24, 4, 4)) | _ellipsoid(x, (9, 14, 9), (-24, 4, 4))] = caudate
    labels[_ellipsoid(x, (8, 26, 14))] = fluid
    t1w = 100.0 * head
    for label, value in ((cortex, 130), (white, 200), (caudate, 150), (fluid, 40)):
        t1w[labels == label] = value
    t1w += np.random.default_rng(0).normal(0, 3, t1w.shape) * head
    for n in range(9):
        anat = root / "ixi" / f"sub-{n}" / "anat"
        dseg = root / "ixi" / "derivatives" / "dlmuse" / f"sub-{n}" / "anat"
        anat.mkdir(parents=True)
        dseg.mkdir(parents=True)
        first = anat / f"sub-{n}_T1w.nii.gz"
        nib.save(nib.Nifti1Image(np.clip(t1w, 0, 255).astype(np.uint8), grid.affine), first)
        nib.save(nib.Nifti1Image(labels.astype(np.uint8), grid.affine), dseg / f"sub-{n}_dseg.nii.gz")
    (root / "lesions").mkdir()
    lesion = _ellipsoid(x, (14, 14, 14), (30, 0, 10)).astype(np.uint8)
    nib.save(nib.Nifti1Image(lesion, grid.affine), root / "lesions" / "stroke-000_mask.nii.gz")
    return root


@pytest.fixture(scope="session")
def prepared_once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, Path, Path], object]:
    """`prepare` into a folder, from what another process of this run has prepared already: seconds each."""
    from sanum.synth.anatomy import prepare

    base = tmp_path_factory.getbasetemp()
    kept = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "anatomies"

    def prepare_once(t1w: Path, parcellation: Path, cache: Path) -> object:
        own = kept / sha256(t1w.read_bytes() + parcellation.read_bytes()).hexdigest()[:20]
        prepare(t1w, parcellation, own)
        for file in own.glob("anatomy-*.npz"):
            shutil.copy(file, cache)
        return prepare(t1w, parcellation, cache)

    return prepare_once


@pytest.fixture(scope="session")
def prepared(training_data: Path, prepared_once, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one anatomy of `training_data`, prepared; a run finds it where `cache` beside it links here."""
    from sanum.synth.subjects import ixi_pairs

    cache = tmp_path_factory.mktemp("prepared")
    prepared_once(*ixi_pairs(training_data / "ixi")[0], cache)
    return cache
