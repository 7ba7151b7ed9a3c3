"""Raw data in ISMRMRD (Inati et al., Magn Reson Med 77:411, 2017), by the `ismrmrd` package: of slices.

Frames are the counters `phase` and `repetition`. Lines are placed by the header's centre; an oversampled
readout is cut to the field of view.
"""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ..extras import needs_extra
from ..kspace.fourier import fft, ifft
from ..scan.errors import ScanError
from ..scan.names import printable
from ..types import Affine
from .raw import Complex, RawMovie, affine_of

TICK_S = 0.0025
"""Unit of an acquisition's time stamp."""
MOST = 64
"""Acceleration that a header may imply; beyond it the counters are taken for damaged."""


def read_ismrmrd(path: Path, name: str) -> RawMovie:
    """The raw data of an ISMRMRD file.

    Parameters
    ----------
    path : Path
        That is there.
    name : str
        Of the file, for messages.

    Raises
    ------
    ScanError
        Damaged, not Cartesian, 3-D, or of several encodings.
    MissingExtra
        ismrmrd is not installed.
    """
    with needs_extra("reading ISMRMRD", "kspace"):
        import ismrmrd
    try:
        file = ismrmrd.Dataset(str(path), mode="r")
        try:
            with warnings.catch_warnings(action="ignore"):  # of values that are refused below
                header = ismrmrd.xsd.CreateFromDocument(file.read_xml_header())
            readouts = [file.read_acquisition(n) for n in range(file.number_of_acquisitions())]
        finally:
            file.close()
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise ScanError(f"{name} is no whole ISMRMRD file: its header or its lines cannot be read") from error
    try:
        return _assembled(name, header, [r for r in readouts if _is_image(r)], len(readouts))
    except (AttributeError, TypeError, ZeroDivisionError, OverflowError) as error:
        raise ScanError(
            f"{name} has a header that says no sizes: expected matrix and field of view"
        ) from error


def _is_image(readout: Any) -> bool:
    import ismrmrd

    other = (
        ismrmrd.ACQ_IS_NOISE_MEASUREMENT,
        ismrmrd.ACQ_IS_PARALLEL_CALIBRATION,
        ismrmrd.ACQ_IS_NAVIGATION_DATA,
        ismrmrd.ACQ_IS_PHASECORR_DATA,
    )
    return not any(readout.isFlagSet(flag) for flag in other)


def _assembled(name: str, header: Any, readouts: list[Any], all_lines: int) -> RawMovie:
    if len(header.encoding) != 1:
        raise ScanError(f"{name} has {len(header.encoding)} encodings: expected one")
    encoding = header.encoding[0]
    kind = str(getattr(encoding.trajectory, "value", encoding.trajectory))
    if kind != "cartesian":
        raise ScanError(f"{name} has a {printable(kind)} trajectory: expected a cartesian one")
    if not readouts:
        raise ScanError(f"{name} holds {all_lines} acquisitions and no line of an image")
    if any(r.idx.kspace_encode_step_2 for r in readouts):
        raise ScanError(f"{name} is encoded in three dimensions: expected slices")
    seen, made = encoding.encodedSpace, encoding.reconSpace
    lines, wide = int(seen.matrixSize.y), int(seen.matrixSize.x)
    limits = encoding.encodingLimits.kspace_encoding_step_1
    centre = lines // 2 if limits is None else int(limits.center)
    phases = 1 + max(r.idx.phase for r in readouts)
    frames = phases * (1 + max(r.idx.repetition for r in readouts))
    slices = 1 + max(r.idx.slice for r in readouts)
    coils = readouts[0].active_channels
    if max(frames * slices, frames * slices * lines // MOST) > len(readouts):
        raise ScanError(
            f"{name} says {slices} slices, {frames} frames and {lines} lines, and has {len(readouts)} lines "
            "in all: too few"
        )
    if wide > MOST * readouts[0].number_of_samples:
        raise ScanError(f"{name} says {wide} samples a line, and has {readouts[0].number_of_samples}")
    total = np.zeros((slices, coils, frames, lines, wide), np.complex64)
    count = np.zeros((slices, frames, lines), np.int64)
    stamps = np.full(frames, np.inf)
    for r in readouts:
        t, ky = r.idx.repetition * phases + r.idx.phase, r.idx.kspace_encode_step_1 + lines // 2 - centre
        data = r.data[:, r.discard_pre : r.number_of_samples - r.discard_post]
        first = wide // 2 - (r.center_sample - r.discard_pre)
        if not (0 <= ky < lines and 0 <= first <= wide - data.shape[1] and len(data) == coils):
            raise ScanError(f"{name} has a line outside of the encoded space of its header, {lines} × {wide}")
        if not np.isfinite(data).all():
            raise ScanError(f"{name} has values that are NaN or infinite: mend or leave them out")
        total[r.idx.slice, :, t, ky, first : first + data.shape[1]] += data
        count[r.idx.slice, t, ky] += 1
        stamps[t] = min(stamps[t], r.acquisition_time_stamp)
    kspace = total / np.maximum(count, 1)[:, None, :, :, None].astype(np.float32)
    if not count.any(2).all():
        raise ScanError(f"{name} has frames without a line: leave such frames out")
    narrow = min(wide, round(wide * made.fieldOfView_mm.x / seen.fieldOfView_mm.x))
    told = (
        ()
        if len(readouts) == all_lines
        else (f"{all_lines - len(readouts)} lines of no image were left out",)
    )
    steps = np.diff(stamps)
    frame_s = float(np.median(steps)) * TICK_S if frames > 1 and (steps > 0).all() else float("nan")
    spacing = (
        made.fieldOfView_mm.x / narrow,
        seen.fieldOfView_mm.y / lines,
        made.fieldOfView_mm.z,
    )
    shape = (narrow, lines, slices)
    return RawMovie(
        _cut(kspace, narrow), count > 0, frame_s, _placed(readouts, spacing, shape), warnings=told
    )


def _cut(kspace: npt.NDArray[Any], narrow: int) -> Complex:
    """The middle of the readout's field of view."""
    first = kspace.shape[-1] // 2 - narrow // 2
    pixels = ifft(torch.from_numpy(kspace.astype(np.complex64)), -1)[..., first : first + narrow]
    cut: Complex = fft(pixels, -1).numpy()
    return cut


def _placed(readouts: list[Any], spacing_mm: tuple[float, ...], shape: tuple[int, int, int]) -> Affine:
    """Index to RAS mm of the directions and positions that lines have; without them, around the middle."""
    first = next(r for r in readouts if r.idx.slice == 0)
    axes = np.array([list(first.read_dir), list(first.phase_dir), list(first.slice_dir)], np.float64).T
    if abs(abs(np.linalg.det(axes)) - 1) > 1e-2:
        return affine_of(spacing_mm, shape)
    step = axes * np.asarray(spacing_mm)
    last = next((r for r in readouts if r.idx.slice == shape[2] - 1), first)
    middle = np.array(list(first.position), np.float64)
    if shape[2] > 1:
        step[:, 2] = (np.array(list(last.position)) - middle) / (shape[2] - 1)
        if np.linalg.norm(step[:, 2]) < 1e-6:
            step[:, 2] = axes[:, 2] * spacing_mm[2]
    origin = middle - step[:, 0] * (shape[0] // 2) - step[:, 1] * (shape[1] // 2)
    world: npt.NDArray[np.float64] = np.eye(4)
    world[:3, :3], world[:3, 3] = step, origin
    return np.diag([-1.0, -1.0, 1.0, 1.0]) @ world
