"""The main job on a scan that everyone has, ICBM152, with a lesion that we know, grown by the fluid."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np

from .. import fluid
from ..metrics.errors import Errors, dice, errors, match_intensity, mean_error_inside
from ..scan import Scan
from ..scan.names import stem_of
from ..synth.anomaly import LESION_FRACTION
from ..synth.look import LookParams, apply_look
from ..types import FloatArray, Mask
from .outputs import check_free, file_names
from .reconstruction import reconstruct
from .result import Reconstruction


@dataclass(frozen=True, eq=False)
class DemoErrors:
    """How far the reconstruction of the demo is from the truth.

    Parameters
    ----------
    whole, healthy, diseased : Errors
        Of the reconstructed anatomy; parts are averaged over the whole volume, as in the paper (UNA).
    inside, inside_input : float
        Mean absolute error within the lesion, of the anatomy and of the input itself.
    dice : float
        Of the anomaly mask with the lesion.
    report : Path
        The page that was written.
    """

    whole: Errors
    healthy: Errors
    diseased: Errors
    inside: float
    inside_input: float
    dice: float
    report: Path


def icbm152() -> tuple[Scan, Mask]:
    """ICBM152 2009a T1w (1 mm, brain, white matter at 1) and its brain mask, from the nilearn package."""
    from nilearn.datasets import load_mni152_template

    image = nib.as_closest_canonical(load_mni152_template(resolution=1))
    voxels = np.asarray(image.dataobj, dtype=np.float32)
    brain = voxels > 0
    voxels /= np.float32(_white_matter(voxels[brain]))
    return Scan(voxels, image.affine, "T1w", Path("icbm152_T1w.nii.gz")), brain


def grow_lesion(scan: Scan, brain: Mask, *, seed: int) -> tuple[FloatArray, FloatArray]:
    """Voxels with a lesion that the fluid moved, and the lesion's probability, each (X, Y, Z) float32.

    Parameters
    ----------
    scan : Scan
        A healthy T1w, white matter at 1.
    brain : (X, Y, Z) bool
        Where the fluid flows.
    seed : int
        Which lesion.
    """
    rng = np.random.default_rng(seed)
    spacing: tuple[float, float, float] = tuple(float(s) for s in scan.grid.spacing_mm)  # type: ignore[assignment]
    radius_mm = 16.0
    middle = np.argwhere(brain).mean(0) + np.array([-32.0, -8.0, 14.0]) / spacing
    index = np.indices(brain.shape, dtype=np.float32)
    distance = np.sqrt(sum(((index[a] - middle[a]) * spacing[a]) ** 2 for a in range(3)))
    p0 = np.clip((radius_mm - distance) / 2 + 0.5, 0, 1).astype(np.float32) * brain
    flow = fluid.draw_flow(brain, rng=rng, spacing=spacing, periods=(5.0, 6.0, 5.0))
    p = fluid.transport(p0, flow, duration=0.6).p
    p /= p.max()
    voxels = np.asarray(scan.voxels)
    look = LookParams(shift=0.5, against_rule=False, texture=0.2, smoothness_mm=2.0, seed=seed)
    return apply_look(voxels, p, 1.0, 0.75, look, spacing_mm=float(scan.grid.spacing_mm[0])), p


def run(
    folder: Path, *, seed: int = 7, device: str = "auto", on_step: Callable[[str], None] | None = None
) -> DemoErrors:
    """Errors of the demo, whose results are written as well; those of an earlier demo are replaced.

    Parameters
    ----------
    folder : Path
        Made if missing.
    seed : int
        Which lesion.
    device : str
        "auto", "cpu", "cuda", "cuda:n" or "mps".
    on_step : function, optional
        Called with the name of each step.
    """
    note = on_step or (lambda _: None)
    note("grow a lesion")
    truth, brain = icbm152()
    check_free(stem_of(truth.path or ""), folder, overwrite=True)  # before the work, not after
    sick, p = grow_lesion(truth, brain, seed=seed)
    result = reconstruct(truth.with_voxels(sick), device=device, on_step=on_step)
    note("write")
    result.save(folder, overwrite=True)
    report = folder / file_names(result.name)["report"]
    return measure(result, np.asarray(truth.voxels), sick, p, report)


def measure(
    result: Reconstruction, truth: FloatArray, sick: FloatArray, p: FloatArray, report: Path
) -> DemoErrors:
    """Errors of a reconstruction against the truth, on the scan's own grid.

    Parameters
    ----------
    result : Reconstruction
        Of `sick`.
    truth, sick : (X, Y, Z) float32
        The scan without and with the lesion.
    p : (X, Y, Z) float32
        Probability of the lesion.
    report : Path
        The page that was written.
    """
    lesion = p > LESION_FRACTION
    anatomy = np.asarray(result.anatomy.voxels)
    healthy = ~lesion
    brain = np.asarray(result.brain.voxels) > 0
    matched = match_intensity(anatomy, truth, healthy & brain)
    matched = np.where(brain, matched, 0).astype(np.float32)
    return DemoErrors(
        errors(matched, truth),
        errors(matched, truth, healthy),
        errors(matched, truth, lesion),
        mean_error_inside(matched, truth, lesion),
        mean_error_inside(sick, truth, lesion),
        dice(np.asarray(result.anomaly_mask.voxels) > 0, lesion),
        report,
    )


def table(found: DemoErrors) -> str:
    """The errors as text, one line a region.

    Parameters
    ----------
    found : DemoErrors
        Of `run`.
    """
    rows = [f"{'':10} {'L1':>8} {'PSNR dB':>8} {'SSIM':>7}"]
    for name in ("whole", "healthy", "diseased"):
        e: Errors = getattr(found, name)
        rows.append(f"{name:10} {e.l1:8.4f} {e.psnr:8.2f} {e.ssim:7.3f}")
    rows.append(f"mean error inside the lesion: {found.inside:.3f} (input {found.inside_input:.3f})")
    rows.append(f"Dice of the anomaly mask: {found.dice:.3f}")
    return "\n".join(rows)


def _white_matter(values: FloatArray) -> float:
    counts, edges = np.histogram(values, bins=100)
    upper = len(counts) // 2 + int(np.argmax(counts[len(counts) // 2 :]))
    return float(edges[upper] + edges[upper + 1]) / 2
