"""Chest x-rays and what is known of each; what may be wrong with boxes and splits."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..scan.names import printable

FILE, TABLE, IMAGES, MASKS = "findings.json", "regions.csv", "images", "masks"
"""Names in a folder of x-rays."""

SHOWN = 12
"""Problems, or names, that a sentence lists."""


class XrayDataError(ValueError):
    """The data cannot be used; `problems` has all that is wrong, a sentence each.

    Parameters
    ----------
    what : str
        Name of the data.
    problems : sequence of str
        At least one.
    """

    def __init__(self, what: str, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        more = f"; and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        many = "one problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(f"{what} has {many}: {'; '.join(problems[:SHOWN])}{more}")


@dataclass(eq=False)
class Xray:
    """One image and what is known of it.

    Parameters
    ----------
    id : int
        In the file.
    path : Path
        Of the image.
    name : str
        As the file has it.
    size : (int, int)
        Width and height in pixels.
    patient : str
        Whose it is.
    split : str
        "train", "val", "test", or empty.
    labels : (K,) int8
        1 where a finding is in the image, 0 where not, -1 where nobody says.
    boxes : list of (int, box)
        Finding and x, y, width, height.
    regions : (A, 4) float
        x, y, width, height; nan where there is none.
    present : (A,) int8
        1 where the region is there, 0 where not, -1 where nobody says.
    in_region : (A, K) int8
        1 where a finding is in a region, 0 where not, -1 where nobody says.
    told : bool
        The file lists its findings.
    """

    id: int
    path: Path
    name: str
    size: tuple[int, int]
    patient: str
    split: str
    labels: npt.NDArray[np.int8]
    boxes: list[tuple[int, tuple[float, ...]]] = field(default_factory=list)
    regions: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 4)))
    present: npt.NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8))
    in_region: npt.NDArray[np.int8] = field(default_factory=lambda: np.zeros((0, 0), np.int8))
    told: bool = False


@dataclass(frozen=True, eq=False)
class XraySet:
    """Images of a folder.

    Parameters
    ----------
    images : tuple of Xray
        In the order of the file.
    findings : tuple of str
        Names of the categories.
    categories : tuple of int
        Their ids in the file.
    regions : tuple of str
        Names; may be none.
    notes : tuple of str
        What a user should know.
    """

    images: tuple[Xray, ...]
    findings: tuple[str, ...]
    categories: tuple[int, ...]
    regions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def of_split(self, *names: str) -> list[Xray]:
        """Images of these splits.

        Parameters
        ----------
        *names : str
            "train", "val", "test", or empty for those in none.
        """
        return [image for image in self.images if image.split in names]


def mark(
    labels: npt.NDArray[np.int8], found: Sequence[Any], names: tuple[str, ...], what: str, problems: list[str]
) -> None:
    """Set 1 where a name is; what is no category is a problem.

    Parameters
    ----------
    labels : (K,) int8
        Changed.
    found : sequence
        Names of findings.
    names : tuple of str
        Of the categories.
    what : str
        What has them.
    problems : list of str
        Gets what is wrong.
    """
    for one in found:
        if one in names:
            labels[names.index(one)] = 1
        else:
            problems.append(f"{what} has the finding {printable(str(one))!r}, which is no category")


def split_problems(images: Sequence[Xray]) -> list[str]:
    """Patients that are in two splits, all in one sentence; images in none where others are in one.

    Parameters
    ----------
    images : sequence of Xray
        Of one data set.
    """
    where: dict[str, set[str]] = {}
    for image in images:
        where.setdefault(image.patient, set()).add(image.split)
    torn = [
        f"patient {printable(patient)} is in {' and '.join(sorted(splits - {''}))}"
        for patient, splits in where.items()
        if len(splits - {""}) > 1
    ]
    problems = [f"{', '.join(torn)}: expected one split of each"] if torn else []
    without = [image.name for image in images if not image.split]
    if without and len(without) < len(images):
        problems.append(f"{listed(without)} without split, where others have one: expected all or none")
    return problems


def box_problems(rows: Sequence[tuple[str, Xray, Any]]) -> list[str]:
    """What is wrong with boxes: not four numbers, no size, outside the image, or another order.

    Parameters
    ----------
    rows : sequence of (str, Xray, object)
        What each is called, its image, and what stands in the place of the box.
    """
    problems, corners = list[str](), 0
    for what, image, box in rows:
        if not is_box(box):
            problems.append(f"{what} has no box of four numbers")
            continue
        x, y, width, height = map(float, box)
        wide, high = image.size
        inside = x >= -0.5 and y >= -0.5 and x + width <= wide + 0.5 and y + height <= high + 0.5
        if width <= 0 or height <= 0:
            problems.append(f"{what} has a box of size {width:g} × {height:g}: expected more than 0")
        elif not inside:
            ends = f"{x:g} to {x + width:g} and {y:g} to {y + height:g}"
            problems.append(f"{what} lies outside its image of {wide} × {high} pixels ({ends})")
        corners += width > x and height > y and width <= wide and height <= high and not inside
    if corners > len(rows) / 4:
        problems.insert(
            0, "the boxes seem to be corners, another order: expected x, y, width and height, as in COCO"
        )
    return problems


def is_box(box: Any) -> bool:
    """Whether it is four finite numbers.

    Parameters
    ----------
    box : object
        Of a file.
    """
    numbers = isinstance(box, (list, tuple)) and len(box) == 4
    return numbers and all(type(v) in (int, float) and np.isfinite(v) for v in box)


def listed(names: Sequence[str]) -> str:
    """Names with commas between; of many the first ones and how many more there are.

    Parameters
    ----------
    names : sequence of str
        Any text.
    """
    shown = ", ".join(printable(name) for name in names[:SHOWN])
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
