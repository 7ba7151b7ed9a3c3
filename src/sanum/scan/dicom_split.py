"""Acquisitions that a scanner or an archive put into one DICOM series, told apart by a tag."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from .dicom_file import DAMAGED, number_of, text_of

TAGS = {
    "AcquisitionNumber": "acquisition",
    "EchoNumbers": "echo",
    "EchoTime": "echo time",
    "InversionTime": "inversion time",
    "TemporalPositionIdentifier": "time point",
    "DiffusionBValue": "b",
    "ConvolutionKernel": "kernel",
    "ImageType": "image type",
    "StackID": "stack",
    "AcquisitionTime": "time",
}
"""What tells them apart, the first that does counts; and what it is called in lists."""

SAME_MM = 0.01
"""Slices nearer to each other lie at one place."""

_ALIKE = 5e-3  # directions and, relative, sizes of pixels of one stack

Images = list[tuple[Path, Dataset]]


def acquisitions(images: Images) -> list[tuple[str, Images]]:
    """Stacks in the images of one series, each with what tells it from the others.

    A series that is one stack, or whose slices no tag of `TAGS` sorts into stacks without repeats, comes back
    whole, with "".

    Parameters
    ----------
    images : list of (Path, Dataset)
        Single-frame images, with position and `TAGS` where they have them.
    """
    places = [_place(header) for _, header in images]
    known = [place for place in places if place is not None]
    if len(known) < len(places) or _is_one_stack(known):
        return [("", images)]
    for tag, word in TAGS.items():
        groups: dict[str, list[int]] = defaultdict(list)
        for k, (_, header) in enumerate(images):
            groups[text_of(header, tag)].append(k)
        stacks = [group for group in groups.values() if len(group) > 1]
        if len(groups) < 2 or "" in groups or not stacks:
            continue
        if all(_is_one_stack([known[k] for k in group]) for group in stacks):
            named = [(_shown(value), group) for value, group in groups.items()]
            named.sort(key=lambda one: (number_of(images[one[1][0]][1], tag) or 0, one[0]))
            return [(f"{word} {value}", [images[k] for k in group]) for value, group in named]
    return [("", images)]


def _shown(value: str) -> str:
    """A value as it is listed; 20.0 is 20."""
    try:
        return f"{float(value):g}"
    except ValueError:
        return value


def _place(header: Dataset) -> npt.NDArray[np.float64] | None:
    """Size, spacing, both axes and position (13,); None where they are not all there."""
    try:
        values = [
            header[tag].value
            for tag in ("Rows", "Columns", "PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient")
        ]
        place = np.array([*values[:2], *values[2], *values[3], *values[4]], dtype=np.float64)
    except DAMAGED:
        return None
    return place if place.shape == (13,) and np.isfinite(place).all() else None


def _is_one_stack(places: Sequence[npt.NDArray[np.float64]]) -> bool:
    """Whether slices have one size and direction, and no two of them lie at one place."""
    first, table = places[0], np.array(places)
    if np.abs(table[:, 4:10] - first[4:10]).max() > _ALIKE:
        return False
    if np.abs(table[:, :4] / np.maximum(np.abs(first[:4]), 1e-6) - 1).max() > _ALIKE:
        return False
    depth = np.sort(table[:, 10:] @ np.cross(first[4:7], first[7:10]))
    return len(depth) < 2 or bool(np.diff(depth).min() >= SAME_MM)
