"""Pairs of scans of two contrasts, of a BIDS data set or a table: found, read, and laid on one grid."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import affine_transform, map_coordinates

from ..scan import Scan, ScanError, read
from ..scan.bids import find, labels_of
from ..scan.contrast_words import contrast_named
from ..scan.maps import in_order_of
from ..scan.markups import read_landmarks
from ..scan.names import printable
from ..space.grid import apply_affine
from ..space.landmarks import ColumnFit, Points, column_of_points, paired, rigid_of_points

COLUMNS = ("source", "target", "landmarks", "name", "group")


@dataclass(frozen=True)
class PairFiles:
    """Files of one pair; one of the two scans may be missing, where a method learns without pairs.

    Parameters
    ----------
    name : str
        What messages call it.
    group : str
        Whose scans they are.
    source, target : Path or None
        The scans.
    landmarks : (Path, Path), optional
        Points of both, as of `scan.markups.read_landmarks`; the source is laid onto the target by them.
    """

    name: str
    group: str
    source: Path | None
    target: Path | None
    landmarks: tuple[Path, Path] | None = None


@dataclass(frozen=True, eq=False)
class ScanPair:
    """A pair that was read; of two scans both are on one grid.

    Parameters
    ----------
    name, group : str
        As of `PairFiles`.
    source, target : Scan or None
        The scans; where landmarks laid nothing of the source, both have their least value.
    residual_mm : float
        Mean distance of the landmarks after registration; nan where there were none.
    turn_sd_deg : float
        How unsure the rotation about the column is, as their distances tell; nan where there were none.
    """

    name: str
    group: str
    source: Scan | None
    target: Scan | None
    residual_mm: float = float("nan")
    turn_sd_deg: float = float("nan")

    @property
    def is_whole(self) -> bool:
        """Whether both scans are there."""
        return self.source is not None and self.target is not None


@dataclass(frozen=True)
class LandmarkUse:
    """How landmarks are used.

    Parameters
    ----------
    per_vertebra : 1 or 2
        Points of each name that count.
    piecewise : bool
        A rigid map for each vertebra, blended between them, in place of one.
    """

    per_vertebra: int = 2
    piecewise: bool = False


def find_pairs(given: Path, source: str = "", target: str = "") -> list[PairFiles]:
    """Pairs of a table or of a BIDS data set; nothing is opened but the table.

    Parameters
    ----------
    given : Path
        A CSV or TSV file with the columns source, target, and if wanted landmarks (two files, with a
        semicolon between them), name and group, paths from the table's folder; or a BIDS data set.
    source, target : str
        Contrasts, such as T1w and FLAIR: in a data set, what the names of the files end in.

    Raises
    ------
    ScanError
        Nothing is there; a table without these columns; a data set, and no contrasts are named; one contrast
        that is named twice.
    """
    if source and (contrast_named(source) or source) == (contrast_named(target) or target):
        raise ScanError(f"the source and the target are both {source}: name two contrasts")
    if given.suffix.lower() in (".csv", ".tsv"):
        return _of_table(given)
    if not given.is_dir():
        raise ScanError(f"{printable(given)} is not there: expected a BIDS data set, or a CSV file of pairs")
    if not source or not target:
        raise ScanError(
            f"which contrasts of {printable(given.name)} are meant is not said: name both, such as "
            "--source T1w --target FLAIR"
        )
    found = _of_data_set(given, source, target)
    if not found:
        raise ScanError(
            f"{printable(given.name)} holds no scan whose name ends in _{source} or _{target}: expected a "
            "BIDS data set with both"
        )
    return found


def read_pair(
    files: PairFiles, source: str = "", target: str = "", use: LandmarkUse | None = None
) -> ScanPair:
    """Read a pair, and lay the source onto the target's grid.

    Parameters
    ----------
    files : PairFiles
        Of `find_pairs`.
    source, target : str
        Contrasts; empty: as the files say.
    use : LandmarkUse, optional
        How landmarks are used.

    Raises
    ------
    ScanError
        A scan cannot be read; both are on different grids, and there are no landmarks; landmarks that do not
        determine a map.
    """
    use = use or LandmarkUse()
    first = None if files.source is None else _read(files.source, source)
    second = None if files.target is None else _read(files.target, target)
    if first is None or second is None:
        return ScanPair(files.name, files.group, first, second)
    if files.landmarks is not None:
        moved, *sure = register_by_landmarks(first, second, files.landmarks, use)
        return ScanPair(files.name, files.group, *_where_both_are(moved, second), *sure)
    try:
        laid = in_order_of(first, second.grid, name=_name(files.source), scan=_name(files.target))
    except ScanError as error:
        what = str(error).partition(";")[0]
        raise ScanError(
            f"{what}: register the pair first (sanum register {_name(files.target)} {_name(files.source)} "
            "--rigid -o OUT), or give landmarks of both"
        ) from error
    return ScanPair(files.name, files.group, laid.with_contrast(first.decided), second)


def register_by_landmarks(
    source: Scan, target: Scan, tables: tuple[Path, Path], use: LandmarkUse
) -> tuple[Scan, float, float]:
    """The source on the target's grid; distance of the landmarks then, mm; how unsure the turn is, degrees.

    Where the source says nothing, it is NaN.

    Parameters
    ----------
    source, target : Scan
        Of one person.
    tables : (Path, Path)
        Landmarks of the source and of the target.
    use : LandmarkUse
        How many points count, and one map or many.

    Raises
    ------
    ScanError
        The landmarks do not determine a map.
    """
    # q to p: from where values are wanted to where they are
    p, q = paired(*(read_landmarks(path) for path in tables), per_vertebra=use.per_vertebra)
    try:
        if use.piecewise:
            column = column_of_points(q, p)
            turn = max(fit.turn_sd_deg for fit in column.fits)
            return _laid(source, target, _by_column(source, target, column)), column.mean_mm, turn
        fit = rigid_of_points(*(_together(points) for points in (q, p)))
    except ValueError as error:
        names = " and ".join(printable(path.name) for path in tables)
        raise ScanError(f"{names}: {error}") from error
    return _laid(source, target, _by_one(source, target, fit.world)), fit.mean_mm, fit.turn_sd_deg


def _together(points: Mapping[str, Points]) -> Points:
    return np.concatenate(list(points.values())) if points else np.zeros((0, 3))


def _by_one(source: Scan, target: Scan, world: np.ndarray) -> np.ndarray:
    """By a cubic spline, cut to the range of the source; its axes need not be at right angles."""
    low, high = float(source.voxels.min()), float(source.voxels.max())
    index = np.linalg.inv(source.affine) @ world @ target.affine
    values = affine_transform(
        source.voxels.astype(np.float32), index, output_shape=target.voxels.shape, order=3, cval=np.nan
    )
    return np.asarray(np.clip(values, low, high))


def _by_column(source: Scan, target: Scan, column: ColumnFit) -> np.ndarray:
    """Linear interpolation of the source; slab by slab, as there is a map for each voxel."""
    voxels = source.voxels.astype(np.float32)
    inverse = np.linalg.inv(source.affine)
    values = np.empty(target.voxels.shape, np.float32)
    for i, slab in enumerate(values):
        index = np.moveaxis(np.indices(slab.shape), 0, -1).reshape(-1, 2)
        places = apply_affine(target.affine, np.insert(index, 0, i, axis=1))
        map_coordinates(
            voxels, apply_affine(inverse, column.at(places)).T, slab.reshape(-1), order=1, cval=np.nan
        )
    return values


def contrasts_of(pairs: Sequence[ScanPair], source: str = "", target: str = "") -> tuple[str, str]:
    """Contrast of all sources and of all targets: as named, or as the scans say.

    Parameters
    ----------
    pairs : sequence of ScanPair
        That were read.
    source, target : str
        As named; empty: not.

    Raises
    ------
    ScanError
        They are not named, and the scans say nothing or different things.
    """
    found = []
    for word, option, scans in (
        (source, "--source", [p.source for p in pairs if p.source is not None]),
        (target, "--target", [p.target for p in pairs if p.target is not None]),
    ):
        if word:
            found.append(contrast_named(word) or word)
            continue
        said = sorted({scan.contrast or "unknown" for scan in scans})
        if len(said) != 1 or said[0] == "unknown":
            raise ScanError(
                f"the contrast is not clear ({', '.join(said) or 'no scans'}): name it, such as with "
                f"{option} T1w"
            )
        found.append(said[0])
    return found[0], found[1]


def _where_both_are(source: Scan, target: Scan) -> tuple[Scan, Scan]:
    """Both at their least value where the source is NaN: nothing is learned of what it does not show."""
    seen = np.isfinite(source.voxels)
    if not seen.any():
        raise ScanError("the landmarks lay the source beside the target: nothing of both overlaps")
    first, second = (
        scan.with_voxels(np.where(seen, scan.voxels, scan.voxels[seen].min())) for scan in (source, target)
    )
    return first, second


def _laid(source: Scan, target: Scan, values: np.ndarray) -> Scan:
    return Scan(
        values,
        target.affine,
        contrast=source.contrast,
        path=source.path,
        warnings=source.warnings,
        contrast_by=source.contrast_by,
    )


def _read(path: Path, contrast: str) -> Scan:
    return read(path, contrast=contrast_named(contrast) if contrast else None)


def _name(path: Path | None) -> str:
    return "" if path is None else printable(path.name)


def _of_table(table: Path) -> list[PairFiles]:
    try:
        text = table.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ScanError(f"{printable(table.name)} cannot be read: {error}") from error
    between = "\t" if table.suffix.lower() == ".tsv" else ","
    rows = list(csv.DictReader(text.splitlines(), delimiter=between))
    if not rows or not {"source", "target"} <= set(rows[0]):
        raise ScanError(
            f"{printable(table.name)} is no table of pairs: expected the columns source and target, and if "
            "wanted landmarks, name, group"
        )
    return list(_rows(table, rows))


def _rows(table: Path, rows: list[dict[str, str]]) -> Iterator[PairFiles]:
    for number, row in enumerate(rows, 2):
        cells = {key: (row.get(key) or "").strip() for key in COLUMNS}
        source, target = (table.parent / cells[key] if cells[key] else None for key in ("source", "target"))
        if source is None and target is None:
            raise ScanError(f"line {number} of {printable(table.name)} names no scan")
        named = [table.parent / part.strip() for part in cells["landmarks"].split(";") if part.strip()]
        if len(named) not in (0, 2):
            raise ScanError(
                f"line {number} of {printable(table.name)} names {len(named)} files of landmarks: expected "
                "those of the source and of the target, with a semicolon between them"
            )
        some = source or target
        assert some is not None
        name = cells["name"] or some.name.partition(".")[0]
        group = cells["group"] or labels_of(some).get("sub", name)
        yield PairFiles(name, group, source, target, (named[0], named[1]) if named else None)


def _named(root: Path, contrast: str) -> list[Path]:
    """Scans whose names end in a contrast, in its usual spelling if there are none in this one."""
    usual = contrast_named(contrast) or contrast
    found = find(root, suffix=contrast) or find(root, suffix=usual)
    return [path for path in found if labels_of(path).get("desc") != "translated"]  # made by a network


def _of_data_set(root: Path, source: str, target: str) -> list[PairFiles]:
    """Scans of one session and of the same entities; or the only two of a session."""
    folders: dict[Path, tuple[dict[str, Path], dict[str, Path]]] = {}
    for which, suffix in enumerate((source, target)):
        for path in _named(root, suffix):
            key = "_".join(f"{k}-{v}" for k, v in labels_of(path).items())
            folders.setdefault(path.parent, ({}, {}))[which][key] = path
    found = []
    for sources, targets in folders.values():
        both = sources.keys() & targets.keys()
        pairs = [(sources.pop(key), targets.pop(key)) for key in sorted(both)]
        if len(sources) == len(targets) == 1 and not both:
            pairs.append((sources.popitem()[1], targets.popitem()[1]))
        lone = [*((path, None) for path in sources.values()), *((None, path) for path in targets.values())]
        for one, other in [*pairs, *lone]:
            some = one or other
            assert some is not None
            group = labels_of(some).get("sub", "")
            found.append(PairFiles(some.name.partition(".")[0], group, one, other))
    return found
