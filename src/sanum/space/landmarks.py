"""Registration by landmarks: the rigid map that lays points onto points, of a whole column or piece by piece.

Points are in mm of the world (RAS+). The least-squares map is closed (Kabsch 1976; Horn 1987).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .grid import apply_affine

Points = npt.NDArray[np.float64]
"""(N, 3) in mm."""
LEAST_POINTS = 3
LEAST_OFF_MM = 3.0
"""Root mean square distance that points must have from their common line; errors of 1 to 2 mm make less."""
MOST_TURN_SD_DEG = 6.0
"""Standard deviation, by the residuals, of a rotation about that line that still counts as determined."""
MOST_APART_MM = 10.0
"""Mean residual that is still taken for an error of setting points, and not of naming them."""
MOST_POINTS = 3
"""Of a vertebra; "F-1" to "F-6" are six landmarks, and no vertebra F."""
_ADD = "add a second point per vertebra, such as the tip of its spinous process"
POSTERIOR_SHARE = 0.05
"""Of the voxels of a vertebra, those that lie most behind; their mean is its posterior point."""


@dataclass(frozen=True, eq=False)
class LandmarkFit:
    """A rigid map that was fitted to points.

    Parameters
    ----------
    world : (4, 4) float64
        Source mm → target mm.
    residuals_mm : (N,) float64
        Distance of each mapped source point from its target.
    off_line_mm : float
        Root mean square distance of the points from the line that fits them best; of both lists the smaller.
    """

    world: npt.NDArray[np.float64]
    residuals_mm: npt.NDArray[np.float64]
    off_line_mm: float

    @property
    def mean_mm(self) -> float:
        """Mean residual."""
        return float(self.residuals_mm.mean())

    @property
    def turn_sd_deg(self) -> float:
        """How unsure the rotation about that line is, as the residuals tell: σ / (√N · distance), degrees."""
        n = len(self.residuals_mm)
        freedom = max(3 * n - 6, 1)
        sigma = float(np.sqrt((self.residuals_mm**2).sum() / freedom))
        return float(np.degrees(sigma / (np.sqrt(n) * self.off_line_mm))) if self.off_line_mm else np.inf


def rigid_of_points(
    source: npt.ArrayLike, target: npt.ArrayLike, *, least_off_mm: float = LEAST_OFF_MM
) -> LandmarkFit:
    """Rotation and shift that minimise ∑ |R p + t − q|²; no scale, no reflection.

    Parameters
    ----------
    source, target : (N, 3) float
        p and q, in mm, in one order.
    least_off_mm : float
        Points nearer to one line than this, as a root mean square, are refused, and so are residuals of more
        than `MOST_APART_MM`, or that leave the rotation about that line open by more than
        `MOST_TURN_SD_DEG`. 0: none are.

    Raises
    ------
    ValueError
        Fewer than three points, points on one line, residuals that are too large, arrays of other shapes or
        with nan.

    Examples
    --------
    >>> p = np.array([[0.0, 0, 0], [10, 0, 0], [0, 10, 0]])
    >>> rigid_of_points(p, p + [1, 2, 3]).world[:3, 3].round(6).tolist()
    [1.0, 2.0, 3.0]
    """
    p, q = np.asarray(source, np.float64), np.asarray(target, np.float64)
    if p.shape != q.shape or p.ndim != 2 or p.shape[1] != 3 or not np.isfinite([p, q]).all():
        raise ValueError(f"expected two lists of finite points (N, 3) in mm, got {p.shape} and {q.shape}")
    if len(p) < LEAST_POINTS:
        raise ValueError(
            f"{len(p)} landmarks are in both scans: a rigid map needs three or more that are not on one line"
        )
    off = min(_off_line(p), _off_line(q))
    if off < least_off_mm:
        raise ValueError(
            f"the {len(p)} landmarks lie on a line (within {off:.2g} mm), so the rotation about it is not "
            f"determined: {_ADD}"
        )
    left, _, right = np.linalg.svd((p - p.mean(0)).T @ (q - q.mean(0)))
    turn = right.T @ np.diag([1.0, 1.0, np.sign(np.linalg.det(right.T @ left.T))]) @ left.T
    world = np.eye(4)
    world[:3, :3], world[:3, 3] = turn, q.mean(0) - turn @ p.mean(0)
    fit = LandmarkFit(world, np.linalg.norm(apply_affine(world, p) - q, axis=1), off)
    if least_off_mm and (fit.turn_sd_deg > MOST_TURN_SD_DEG or fit.mean_mm > MOST_APART_MM):
        raise ValueError(
            f"the {len(p)} landmarks lie {fit.mean_mm:.1f} mm apart after the best map, which leaves the "
            f"rotation about their line open by {fit.turn_sd_deg:.0f}°: check that both scans name them "
            f"alike, and {_ADD}"
        )
    return fit


@dataclass(frozen=True, eq=False)
class ColumnFit:
    """One rigid map a vertebra; between vertebrae, where they lead is blended along the column.

    Parameters
    ----------
    names : tuple of str
        Of the vertebrae, from one end of the column to the other.
    centres_mm : (V, 3) float64
        Of their source points.
    fits : tuple of LandmarkFit
        One a vertebra.
    """

    names: tuple[str, ...]
    centres_mm: Points
    fits: tuple[LandmarkFit, ...]

    @property
    def mean_mm(self) -> float:
        """Mean residual of all points of all fits."""
        return float(np.concatenate([fit.residuals_mm for fit in self.fits]).mean())

    def at(self, points_mm: npt.ArrayLike) -> Points:
        """Where points go, (N, 3) in mm.

        Parameters
        ----------
        points_mm : (N, 3) float
            Of the source.
        """
        points = np.asarray(points_mm, np.float64)
        along = _line_of(self.centres_mm)
        places = self.centres_mm @ along
        order = np.argsort(places)
        where = np.interp(points @ along, places[order], np.arange(len(order)))
        low = np.minimum(where.astype(int), max(len(order) - 2, 0))
        high, share = np.minimum(low + 1, len(order) - 1), where - low
        maps = np.stack([self.fits[n].world for n in order])
        moved = [np.einsum("nij,nj->ni", maps[k, :3, :3], points) + maps[k, :3, 3] for k in (low, high)]
        out: Points = (1 - share)[:, None] * moved[0] + share[:, None] * moved[1]
        return out


def column_of_points(
    source: Mapping[str, npt.ArrayLike],
    target: Mapping[str, npt.ArrayLike],
    *,
    beside: int = 1,
    least_off_mm: float = LEAST_OFF_MM,
) -> ColumnFit:
    """A rigid map for each vertebra, of its own points and those of its neighbours.

    Parameters
    ----------
    source, target : mapping of (P, 3) float
        Points of each vertebra, one or two or more, in mm, by its name.
    beside : int
        Neighbours on each side that help.
    least_off_mm : float
        As of `rigid_of_points`.

    Raises
    ------
    ValueError
        As of `rigid_of_points`: of which vertebra is said; one has more points in one scan than in the other.
    """
    names = [name for name in source if name in target]
    points = {name: _rows(source[name]) for name in names}
    if not names:
        raise ValueError("no vertebra is in both scans: name the landmarks of both alike")
    for name in names:
        if len(points[name]) != len(_rows(target[name])):
            raise ValueError(f"vertebra {name} has more points in one scan than in the other")
    centres = np.stack([points[name].mean(0) for name in names])
    order = np.argsort(centres @ _line_of(centres)) if len(names) > 1 else np.array([0])
    names, centres, fits = [names[n] for n in order], centres[order], []
    for n, name in enumerate(names):
        near = names[max(0, n - beside) : n + beside + 1]
        p = np.concatenate([points[one] for one in near])
        q = np.concatenate([_rows(target[one]) for one in near])
        try:
            fits.append(rigid_of_points(p, q, least_off_mm=least_off_mm))
        except ValueError as error:
            raise ValueError(f"vertebra {name}: {error}") from error
    return ColumnFit(tuple(names), centres, tuple(fits))


def vertebra_points(
    labels: npt.NDArray[np.integer], affine: npt.ArrayLike, *, per_vertebra: int = 2
) -> dict[str, Points]:
    """One or two points of each label: its centroid; and the mean of its most posterior voxels.

    Parameters
    ----------
    labels : (X, Y, Z) int
        0 is none; any other number is a vertebra's.
    affine : (4, 4) float
        Voxel index to mm, RAS+.
    per_vertebra : 1 or 2
        How many points.

    Raises
    ------
    ValueError
        `per_vertebra` is neither.
    """
    if per_vertebra not in (1, 2):
        raise ValueError(f"per_vertebra is 1 or 2, got {per_vertebra}")
    found: dict[str, Points] = {}
    for value in np.unique(labels[labels > 0]):
        places = apply_affine(affine, np.argwhere(labels == value))
        rows = [places.mean(0)]
        if per_vertebra == 2:
            behind = np.sort(np.argsort(places[:, 1])[: max(1, round(POSTERIOR_SHARE * len(places)))])
            rows.append(places[behind].mean(0))
        found[str(int(value))] = np.stack(rows)
    return found


def paired(
    source: Mapping[str, Points], target: Mapping[str, Points], *, per_vertebra: int = 2
) -> tuple[dict[str, Points], dict[str, Points]]:
    """Points (P, 3) of each vertebra that both scans have, in one order: point by point, as they are named.

    "L3-1" and "L3-2" are two points of L3, if no vertebra has more than `MOST_POINTS`; otherwise, or if there
    is one alone, as of "F-1" to "F-6", each point stands for itself.

    Parameters
    ----------
    source, target : mapping of (3,) float64
        Points by their whole names, as of `scan.markups.read_landmarks`.
    per_vertebra : 1 or 2
        How many points of each vertebra are taken; those of the smallest numbers.
    """
    shared: dict[str, list[str]] = {}
    for label in sorted(source.keys() & target.keys(), key=_stem_and_number):
        shared.setdefault(_stem_and_number(label)[0], []).append(label)
    if len(shared) < 2 or max(map(len, shared.values())) > MOST_POINTS:
        shared = {label: [label] for labels in shared.values() for label in labels}
    p, q = (
        {name: np.stack([one[label] for label in labels[:per_vertebra]]) for name, labels in shared.items()}
        for one in (source, target)
    )
    return p, q


def _stem_and_number(label: str) -> tuple[str, int]:
    stem, _, number = label.rpartition("-")
    return (stem, int(number)) if stem and number.isdecimal() else (label, 1)


def turn_about_deg(world: npt.ArrayLike, axis: Sequence[float]) -> float:
    """Angle of a rigid map's rotation about an axis, in degrees, in (−180, 180].

    Parameters
    ----------
    world : (4, 4) float
        A rigid map.
    axis : (3,) float
        Of any length.
    """
    turn, e = np.asarray(world, np.float64)[:3, :3], np.asarray(axis, np.float64)
    e = e / np.linalg.norm(e)
    across = np.linalg.svd(e[None])[2][1]  # at a right angle to e
    moved = turn @ across
    return float(np.degrees(np.arctan2(moved @ np.cross(e, across), moved @ across)))


def _rows(points: npt.ArrayLike) -> Points:
    return np.atleast_2d(np.asarray(points, np.float64))


def _line_of(points: Points) -> Points:
    """Direction (3,) along which points lie farthest apart; up if there is one alone."""
    if len(points) < 2:
        return np.array([0.0, 0.0, 1.0])
    along: Points = np.linalg.svd(points - points.mean(0))[2][0]
    return along


def _off_line(points: Points) -> float:
    away = np.linalg.svd(points - points.mean(0), compute_uv=False)[1:]
    return float(np.sqrt((away**2).sum() / len(points)))
