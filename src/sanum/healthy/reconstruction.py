"""The main job: one brain scan in; its healthy anatomy, an anomaly map and an uncertainty map out.

read → conform → find the brain → pair with the mirror image → predict → back to the scan's own grid.
Each step is a function that can be called by itself.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from .. import __version__
from ..methods import registry
from ..methods.common.anatomy import Maps, Predictor
from ..scan import Scan, ScanError, read
from ..scan.conform import Conformed, conform
from ..scan.contrast import CT_WINDOW_HU
from ..space.components import largest_component
from ..space.grid import Grid, Slices, at_spacing, box_of, covering
from ..space.mirror import find_mirror
from ..space.resample import resample
from .compose import COMPOSITIONS, Compose
from .compose import compose as composed
from .localize import (
    display_name,
    find_brain,
    pair_with_mirror,
    require_brain,
    require_symmetry,
    shown_ml,
)
from .outputs import check_free, file_names, record_name
from .result import Reconstruction

__all__ = [
    "Reconstruction",
    "check_free",
    "file_names",
    "reconstruct",
    "record_name",
]  # the first hand-over

ANOMALY_THRESHOLD = 0.5  # fixed beforehand, not tuned on anything that is reported
_EDGE_CM2 = 8.0  # of brain at the edge of the box: more is not chance
_LARGE = 64_000_000  # voxels of a scan: 256 MB as float32
_MARGIN_MM = 4.0  # around the brain in which results are computed
_BORDER_MM, _REACH_MM = 2.0, 6.0  # how far a border is unsure; how far a stripping may leave off
Space = Literal["input", "1mm"]
OnStep = Callable[[str], None]


def reconstruct(
    source: Any,
    *,
    device: str = "auto",
    space: Space = "input",
    volume: int | None = None,
    predictor: Predictor | None = None,
    compose: Compose = "anatomy",
    on_step: OnStep | None = None,
) -> Reconstruction:
    """Healthy anatomy, anomaly and uncertainty of one scan.

    Parameters
    ----------
    source : path, nibabel image or Scan
        Any modality, skull on or off. A folder is a DICOM series.
    device : str
        "auto", "cpu", "cuda", "cuda:n" or "mps".
    space : "input" or "1mm"
        Grid of the results: the scan's own, or 1 mm isotropic over the same field of view.
    volume : int, optional
        Which volume of a 4D image.
    predictor : Predictor, optional
        A loaded method (for many scans); default the shipped one.
    compose : "anatomy", "keep-healthy" or "keep-lesion"
        The predicted anatomy everywhere; or, of a T1w, its own healthy tissue with only the anomaly replaced,
        or the predicted anatomy with the anomaly put back.
    on_step : function, optional
        Told the name of each step.

    Raises
    ------
    ScanError
        The source is not a scan of a head that can be used, or no T1w whose tissue could be kept; one
        sentence says why.
    """
    if compose not in COMPOSITIONS:
        raise ValueError(f'compose is {", ".join(COMPOSITIONS)}, not "{compose}"')
    if space not in ("input", "1mm"):
        raise ValueError(f'space is "input" or "1mm", not "{space}"')
    tell = on_step or (lambda _: None)
    began = time.monotonic()
    tell("read")
    scan = read(source, volume=volume)
    if compose != "anatomy" and scan.contrast:
        require_t1w(scan, scan.contrast, compose)  # before the work, where the file says it
    tell("load the model")
    predictor = predictor or registry.load(device=resolve_device(device))
    tell("find the brain")
    seen = thinned(scan, predictor.box.spacing_mm / 2)
    centre = find_brain(seen, predictor)
    conformed = conform(seen, centre, predictor.box)
    tell("mirror")
    across = find_mirror(conformed.image, conformed.grid)
    require_symmetry(scan, conformed, across)
    tell("reconstruct")
    maps = predictor(pair_with_mirror(conformed, across), covered=conformed.covered)
    maps, warnings = postprocess(maps, conformed)
    require_brain(scan, shown_ml(maps.brain > 0, conformed))
    tell("back to the scan's grid")
    target = scan if space == "input" else on_grid(scan, covering(scan.grid, 1.0))
    result = to_scan_grid(maps, conformed.grid, target)
    contrast = scan.contrast or guess_contrast(conformed.image, maps)
    if compose != "anatomy":
        require_t1w(scan, contrast, compose)
        tell("compose")
        anatomy = composed(compose, result.scan, result.anatomy, result.anomaly, result.brain)
        result = replace(result, anatomy=anatomy)
    provenance = {
        "version": __version__,
        "weights": predictor.weights_name,
        "weights_sha256": predictor.weights_sha256,
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "device": predictor.device,
        "seconds": f"{time.monotonic() - began:.1f}",
        "input": scan.path.name if scan.path else "(in memory)",
        "space": space,
        "composition": compose,
    }
    return replace(
        result,
        contrast=contrast,
        warnings=(*scan.warnings, *coverage_warnings(scan, predictor.box.spacing_mm), *warnings),
        provenance=provenance,
    )


def resolve_device(device: str) -> str:
    """Torch device for "auto", "cpu", "cuda[:n]" or "mps"; ValueError if it is not there."""
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    kind, colon, number = device.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (colon and not (kind == "cuda" and number.isdecimal())):
        raise ValueError(f'device is auto, cpu, cuda, cuda:n or mps, not "{device}"')
    if kind == "cuda" and int(number or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"{device} is not there: this machine has {torch.cuda.device_count()} CUDA devices; "
            "use --device auto"
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise ValueError("mps is not there on this machine; use --device auto")
    return device


def require_t1w(scan: Scan, contrast: str | None, compose: str) -> None:
    """Raise `ScanError` if the scan is no T1w, whose tissue alone can stand beside the anatomy's."""
    if not (contrast or "").startswith("T1w"):
        raise ScanError(
            f"{compose} needs a T1w, but {display_name(scan)} is {contrast or 'of unknown contrast'}: "
            "leave the composition out, or name the file …_T1w if it is one"
        )


def postprocess(maps: Maps, conformed: Conformed) -> tuple[Maps, tuple[str, ...]]:
    """One brain without holes, nothing outside of it or of the scan; warnings for what looks wrong."""
    covered, spacing = conformed.covered, float(conformed.grid.spacing_mm[0])
    found = ndimage.binary_fill_holes(largest_component((maps.brain > 0.5) & covered))
    brain = with_stripped_border(found, conformed.image, spacing) & covered
    warnings = list(maps.warnings)
    border = sum(int(np.take(brain, i, axis=a).sum()) for a in range(3) for i in (0, -1))
    if border * spacing**2 / 100 > _EDGE_CM2:
        warnings.append(
            "the brain reaches the edge of the model's box: parts of it may be missing from the results"
        )
    inside = brain.astype(np.float32)
    near = ndimage.binary_dilation(brain, iterations=_voxels(_BORDER_MM, spacing)) & covered
    sure = np.where(brain & ~found, 1, maps.brain) * near  # the expected value where the border is unsure
    if (mean := float(maps.uncertainty[brain].mean()) if brain.any() else 0.0) > 0.15:
        warnings.append(
            f"the uncertainty is high (mean {mean:.2f}, white matter is 1): "
            "the input may be unlike what the model knows"
        )
    t1w = np.maximum(maps.t1w, 0) * sure
    return Maps(t1w, maps.anomaly * inside, inside, maps.uncertainty * inside), tuple(warnings)


def with_stripped_border(
    brain: npt.NDArray[np.bool_], image: npt.NDArray[np.float32], spacing_mm: float
) -> npt.NDArray[np.bool_]:
    """`brain` up to the border of what is shown, if the scan is skull-stripped: somebody has drawn it.

    Stripped is a scan that shows hardly anything farther than 6 mm from the brain that was found.
    """
    if not brain.any():
        return brain
    bright = image > 0.3 * float(np.median(image[brain]))
    shown = ndimage.binary_opening(bright, iterations=_voxels(_BORDER_MM, spacing_mm))  # edges are blurred
    reach = ndimage.binary_dilation(brain, iterations=_voxels(_REACH_MM, spacing_mm))
    if (shown & ~reach).sum() > 0.01 * brain.sum():
        return brain
    return ndimage.binary_fill_holes(largest_component(brain | (shown & reach)))


def _voxels(mm: float, spacing_mm: float) -> int:
    """A distance in voxels, at least one."""
    return max(1, round(mm / spacing_mm))


def to_scan_grid(maps: Maps, grid: Grid, scan: Scan) -> Reconstruction:
    """Maps of the model grid on the scan's grid; only the brain's part of it is computed and takes memory."""
    box = box_of((maps.t1w > 0) | (maps.brain > 0), grid, scan.grid, _MARGIN_MM)
    there = scan.grid.part(box)

    def back(x: npt.NDArray[np.float32], order: int) -> npt.NDArray[np.float32]:
        return resample(x, grid, there, order=order) if 0 not in there.shape else np.empty(there.shape, "f4")

    def whole(part: npt.NDArray[Any]) -> Scan:
        voxels = np.zeros(scan.grid.shape, np.uint8 if part.dtype == bool else np.float32)
        voxels[box] = part
        return replace(scan, voxels=voxels, warnings=(), contrast=None)

    shown = foreground_mask(np.asarray(scan.voxels), box)
    brain = largest_component((back(maps.brain, 1) > 0.5) & shown)
    anatomy = np.clip(back(maps.t1w, 3), 0, None) * shown
    anatomy[anatomy < 1e-3] = 0
    anomaly = np.clip(back(maps.anomaly, 1), 0, 1) * brain
    anomaly[anomaly < 1e-3] = 0
    return Reconstruction(
        scan=scan,
        anatomy=replace(whole(anatomy), contrast="T1w"),
        anomaly=whole(anomaly),
        anomaly_mask=whole(anomaly > ANOMALY_THRESHOLD),
        uncertainty=whole(back(maps.uncertainty, 1) * brain),
        brain=whole(brain),
        contrast=None,
    )


def foreground_mask(voxels: npt.NDArray[Any], box: Slices | None = None) -> npt.NDArray[np.bool_]:
    """Where a scan with an exactly constant background shows something: somebody has drawn this border.

    Gaps of up to 4 voxels are closed and holes filled. Everywhere if the eight corners differ, or all is one.
    Looked at inside `box` alone, if it is given.
    """
    corners = voxels[:: voxels.shape[0] - 1, :: voxels.shape[1] - 1, :: voxels.shape[2] - 1]
    part = voxels if box is None else voxels[box]
    seen = part != corners.flat[0]
    if (corners != corners.flat[0]).any() or not seen.any():
        return np.ones(part.shape, bool)
    closed = ndimage.binary_closing(np.pad(seen, 2), iterations=2)
    return np.asarray(ndimage.binary_fill_holes(closed))[2:-2, 2:-2, 2:-2]


def on_grid(scan: Scan, grid: Grid) -> Scan:
    """Scan linearly interpolated onto another grid."""
    voxels = resample(scan.voxels, scan.grid, grid, fill=float(scan.voxels.min()))
    return replace(scan, voxels=voxels, affine=grid.affine)


def thinned(scan: Scan, spacing_mm: float) -> Scan:
    """A large scan on voxels no finer than `spacing_mm`: it is blurred once, and not with each look."""
    finest = scan.grid.spacing_mm
    if scan.voxels.size < _LARGE or (finest > 0.8 * spacing_mm).all():
        return scan
    if scan.contrast == "CT":  # bone must not bleed
        scan = scan.with_voxels(np.clip(scan.voxels, *CT_WINDOW_HU))
    return on_grid(scan, at_spacing(scan.grid, np.maximum(finest, spacing_mm)))


def guess_contrast(image: npt.NDArray[np.float32], maps: Maps) -> str | None:
    """Which contrast the input looks like, from its intensity in the predicted tissues outside anomalies."""
    healthy = (maps.brain > 0.5) & (maps.anomaly < 0.2)
    means = []
    for low, high in ((0.05, 0.5), (0.65, 0.82), (0.93, 1.15)):
        tissue = healthy & (maps.t1w > low) & (maps.t1w < high)
        if tissue.sum() < 200:
            return None
        means.append(float(np.median(image[tissue])))
    fluid, grey, white = means
    if white > grey > fluid:
        return "T1w-like (guessed)"
    if fluid > grey > white:
        return "T2w-like (guessed)"
    return "FLAIR-like (guessed)" if grey > white and grey > fluid else None


def coverage_warnings(scan: Scan, spacing_mm: float) -> tuple[str, ...]:
    """What the geometry of the input means for the results of a model of voxels of `spacing_mm`."""
    thickest = float(scan.grid.spacing_mm.max())
    if thickest > 2 * spacing_mm:
        return (f"slices of {thickest:.1f} mm: between them the results are interpolated",)
    return ()
