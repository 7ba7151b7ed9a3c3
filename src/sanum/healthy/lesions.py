"""Lesions as things: from a mask one row per lesion, with its size, form, place and brightness.

A lesion is what is connected in a mask, corners included. Ids count from the largest on.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from ..metrics.lesion_places import Side, every, most, points_of, side_of
from ..metrics.lesion_shape import lesion_shape
from ..scan import Scan, ScanError
from ..scan.intensity import with_background_at_zero
from ..space.components import Components, components
from ..space.grid import Grid, apply_affine
from ..types import AnyArray, FloatArray, Mask, Slices
from .places import Places

MOST = 10_000
"""Lesions of one mask; more are noise."""

LISTED = 500
"""Of a reconstruction, so many at most have a row."""

WHITE = (0.9, 1.1)
"""What is white matter, in the healthy anatomy."""

NAN = math.nan


@dataclass(frozen=True)
class LesionRow:
    """One lesion; NaN, and "" of words: not known. `COLUMNS` says what the fields are.

    Parameters
    ----------
    id, volume_ml, x_mm, y_mm, z_mm, mni_x_mm, mni_y_mm, mni_z_mm, side, lobe, tissue, contrast, elongation,
    surface_mm2, ventricle_mm, cortex_mm, normal_sd
        As in `COLUMNS`.
    """

    id: int
    volume_ml: float
    x_mm: float
    y_mm: float
    z_mm: float
    mni_x_mm: float = NAN
    mni_y_mm: float = NAN
    mni_z_mm: float = NAN
    side: Side | str = ""
    lobe: str = ""
    tissue: str = ""
    contrast: float = NAN
    elongation: float = NAN
    surface_mm2: float = NAN
    ventricle_mm: float = NAN
    cortex_mm: float = NAN
    normal_sd: float = NAN

    @property
    def centre_mm(self) -> tuple[float, float, float]:
        """In the scan's world."""
        return self.x_mm, self.y_mm, self.z_mm

    @property
    def mni_mm(self) -> tuple[float, float, float]:
        """The same in MNI space."""
        return self.mni_x_mm, self.mni_y_mm, self.mni_z_mm


@dataclass(frozen=True)
class TableColumn:
    """What a column of a table holds.

    Parameters
    ----------
    description : str
        One sentence.
    units : str
        "" of words and pure numbers.
    decimals : int or None
        Of a number that is no whole one.
    levels : mapping of str to str, optional
        The words that occur, and what they mean.
    """

    description: str
    units: str = ""
    decimals: int | None = None
    levels: Mapping[str, str] | None = None


def _centre(axis: str, way: str, world: str) -> TableColumn:
    return TableColumn(f"Centre of mass in {world}, {axis} ({way}).", "mm", 1)


_WORLD, _MNI = "the world of the scan's header, RAS", "MNI space (ICBM152), by an affine map"
COLUMNS: Mapping[str, TableColumn] = {
    "id": TableColumn("Number of the lesion; 1 is the largest."),
    "volume_ml": TableColumn("Volume of its voxels.", "mL", 4),
    "x_mm": _centre("x", "right", _WORLD),
    "y_mm": _centre("y", "front", _WORLD),
    "z_mm": _centre("z", "up", _WORLD),
    "mni_x_mm": _centre("x", "right", _MNI),
    "mni_y_mm": _centre("y", "front", _MNI),
    "mni_z_mm": _centre("z", "up", _MNI),
    "side": TableColumn(
        "Side of the patient's mid-plane on which it lies.",
        levels={
            "left": "More than 90 % of it lies left.",
            "right": "More than 90 % of it lies right.",
            "both": "At least a tenth lies on either side.",
        },
    ),
    "lobe": TableColumn("Lobe that most of its voxels lie in, by the atlas."),
    "tissue": TableColumn("Tissue that would be there in health, by the atlas."),
    "contrast": TableColumn(
        "Mean brightness over that of the scan's normal white matter, less 1: 0.3 is 30 % brighter.",
        "white matter",
        3,
    ),
    "elongation": TableColumn(
        "Longest over shortest axis of the ellipsoid with its second moments; 1 is a ball.", decimals=2
    ),
    "surface_mm2": TableColumn("Area of its border.", "mm^2", 1),
    "ventricle_mm": TableColumn("Distance of its border to the nearest ventricle, by the atlas.", "mm", 1),
    "cortex_mm": TableColumn("Distance of its border to the nearest cortex, by the atlas.", "mm", 1),
    "normal_sd": TableColumn(
        "How far the scan lies above the mean of healthy people at the same places, in their standard "
        "deviations; of a T1w alone.",
        "standard deviations",
        2,
    ),
}
"""Of `lesions.tsv`, in its order."""


@dataclass(frozen=True, eq=False)
class Brightness:
    """A scan whose white matter is known.

    Parameters
    ----------
    voxels : (X, Y, Z) array
        As the scan has them.
    zero : float
        Its background; of a CT 0 HU.
    white : float
        Median of its normal white matter, above `zero`.
    is_t1w : bool
        Whether it can be compared with T1w of other people.
    """

    voxels: AnyArray
    zero: float
    white: float
    is_t1w: bool

    def at(self, box: Slices, mask: Mask) -> FloatArray:
        """Values (N,) of a lesion's voxels, where the background is 0 and white matter 1.

        Parameters
        ----------
        box : three slices
            Of the scan.
        mask : (x, y, z) bool
            The lesion in that box.
        """
        values = np.asarray(self.voxels[box][mask], np.float64)
        return ((values - self.zero) / self.white).astype(np.float32)


def brightness_of(scan: Scan, anatomy: Scan, brain: Scan, lesions: Scan) -> Brightness | None:
    """Where the white matter of a scan is, by its healthy anatomy; None where none is shown.

    A million voxels are looked at, so that a large scan takes no more memory.

    Parameters
    ----------
    scan, anatomy, brain, lesions : Scan
        On one grid; the anatomy has its white matter at 1.
    """
    step = max(1, round((scan.voxels.size / 1e6) ** (1 / 3)))
    level, inside, marked, values = (
        np.asarray(x.voxels[::step, ::step, ::step]) for x in (anatomy, brain, lesions, scan)
    )
    white = (level > WHITE[0]) & (level < WHITE[1]) & (inside > 0) & ~(marked > 0.5)
    unit = float(np.abs(values).max())
    if not white.any() or not unit:
        return None
    thin = replace(scan, voxels=(values / unit).astype(np.float32), forms=None)
    seen, shown = (unit * float(np.median(x.voxels[white])) for x in (thin, with_background_at_zero(thin)))
    if shown <= 0:
        return None
    return Brightness(scan.voxels, seen - shown, shown, (scan.contrast or "").startswith("T1w"))


def found_in(
    mask: Scan, *, min_ml: float = 0.0, threshold: float = 0.5, name: str = "the mask"
) -> Components:
    """The lesions of a mask or a map of probabilities.

    Parameters
    ----------
    mask : Scan
        A voxel counts above the threshold.
    min_ml : float
        Smaller lesions are left out, mL.
    threshold : float
        Of a probability.
    name : str
        For the message.

    Raises
    ------
    ScanError
        There are more than `MOST`.
    """
    least = min_ml / mask.grid.voxel_volume_ml
    found = components(np.asarray(mask.voxels) > threshold, least=least * (1 - 1e-6))
    if (count := len(found.sizes)) > MOST:
        raise ScanError(
            f"{name} has {count:,} separate parts: at most {MOST:,} are told apart as lesions; leave the "
            f"small ones out, such as with --min-volume {max(2 * min_ml, 0.01):g}"
        )
    return found


def everything_in(mask: Scan, *, threshold: float = 0.5) -> Components:
    """All lesions however small, with the same numbers; of more than `MOST` the largest.

    Parameters
    ----------
    mask : Scan
        A voxel counts above the threshold.
    threshold : float
        Of a probability.
    """
    found = components(np.asarray(mask.voxels) > threshold)
    if len(found.sizes) <= MOST:
        return found
    return replace(found, labels=np.where(found.labels > MOST, 0, found.labels), sizes=found.sizes[:MOST])


def rows_of(
    found: Components,
    grid: Grid,
    places: Places | None = None,
    light: Brightness | None = None,
    *,
    at_most: int = MOST,
) -> tuple[LesionRow, ...]:
    """One row per lesion, the largest first.

    Parameters
    ----------
    found : Components
        The lesions.
    grid : Grid
        Of the mask that they were found in.
    places : Places, optional
        What is known of where they lie.
    light : Brightness, optional
        Of the scan, on that grid.
    at_most : int
        Rows; smaller lesions have none.
    """
    where = places or Places()
    rows = []
    for number, (mask, box) in enumerate(islice(found.parts(), at_most), start=1):
        part = grid.part(box)
        shape = lesion_shape(mask, part)
        x, y, z = shape.centre_mm
        row = LesionRow(
            number, shape.volume_ml, x, y, z, elongation=shape.elongation, surface_mm2=shape.surface_mm2
        )
        more = {**_place(mask, part, shape.centre_mm, where), **_light(mask, box, part, where, light)}
        rows.append(replace(row, **more))
    return tuple(rows)


def _place(mask: Mask, grid: Grid, centre_mm: Sequence[float], where: Places) -> dict[str, Any]:
    points = points_of(mask, grid)
    out: dict[str, Any] = {}
    if where.to_mni is not None:
        centre = apply_affine(where.to_mni, centre_mm).tolist()
        out |= dict(zip(("mni_x_mm", "mni_y_mm", "mni_z_mm"), centre, strict=True))
    if where.midplane is not None:
        out["side"] = side_of(points, where.midplane)
    if where.regions is not None:
        there, reach = where.regions.at(points), float(np.cbrt(np.prod(grid.spacing_mm))) / 2
        out |= {
            "lobe": most([one.lobe for one in there]),
            "tissue": most([one.tissue for one in there]),
            "ventricle_mm": where.regions.distance_mm(points, "ventricle", reach),
            "cortex_mm": where.regions.distance_mm(points, "cortex", reach),
        }
    return out


def _light(mask: Mask, box: Slices, grid: Grid, where: Places, light: Brightness | None) -> dict[str, Any]:
    if light is None:
        return {}
    values = light.at(box, mask)
    out = {"contrast": float(values.mean(dtype=np.float64)) - 1}
    if where.normal is not None and light.is_t1w:
        out["normal_sd"] = where.normal.z(points_of(mask, grid), every(values))
    return out


def table_of(rows: Iterable[Any], columns: Mapping[str, TableColumn] = COLUMNS) -> str:
    """Text of a table of tabs, with its header; what is not known is n/a.

    Parameters
    ----------
    rows : iterable of dataclass
        With a field for each column.
    columns : mapping of str to TableColumn
        By name.
    """
    lines = ["\t".join(columns)]
    lines += ["\t".join(_cell(getattr(row, name), columns[name]) for name in columns) for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: Any, column: TableColumn) -> str:
    if value == "" or (isinstance(value, float) and not math.isfinite(value)):
        return "n/a"
    return str(value) if column.decimals is None else f"{value:.{column.decimals}f}"


def dictionary_of(columns: Mapping[str, TableColumn] = COLUMNS) -> dict[str, Any]:
    """The data dictionary of a table, as BIDS has it beside one: JSON.

    Parameters
    ----------
    columns : mapping of str to TableColumn
        By name.
    """
    return {
        name: {
            "Description": column.description,
            "Units": column.units or "n/a",
            **({"Levels": dict(column.levels)} if column.levels else {}),
        }
        for name, column in columns.items()
    }
