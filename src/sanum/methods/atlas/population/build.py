"""An unbiased atlas of one group: affines, then velocities, whose mean is taken out until nothing moves.

Guimond, Meunier and Thirion 2000; Joshi et al. 2004.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import ndimage

from ....scan import Scan
from ....space.deform import DIVISOR
from ....space.grid import Grid, apply_affine
from ....space.velocity import Lattice
from ....types import Mask
from .atlas import Atlas
from .average import Fit, average
from .config import MOST_DRIVING, AtlasConfig
from .finish import MOST, finished
from .jobs import DeformJob, PlaceJob, PrepareJob
from .lay import World, mean_affine, stretch_of
from .measure import KIND, MeasureJob, norms_from
from .members import LEAST, Member
from .prepared import read_labels
from .subject_files import SubjectFiles
from .sums import Sums
from .template import Template

MARGIN_VOX = 4
DIM = 0.05
"""What is darker than this part of the brightest in the template is background."""

Do = Callable[[Any, Path], None]
"""Does a job for every member, into a folder; raises ValueError where some could not be done."""


def in_turn(members: Sequence[Member]) -> Do:
    """Does a job for one member after the other, for programs without a batch; nothing is resumed.

    Parameters
    ----------
    members : sequence of Member
        Of the atlas.
    """

    def do(job: Any, folder: Path) -> None:
        for member in members:
            job.compute(job.read(member), lambda _: None).save(folder, overwrite=True)

    return do


@dataclass(frozen=True)
class Round:
    """What one estimate of the template told.

    Parameters
    ----------
    name : str
        What was done.
    sharpness : float
        Mean squared gradient of the template where it is compared.
    changed : float
        Mean absolute difference from the template before, there; what is bright is near 1.
    left_vox : float
        Mean length of the mean displacement from the template to its subjects.
    unsure : float
        Mean standard error of the template, there.
    still : bool
        It changed so little beside this that it stands still.
    """

    name: str
    sharpness: float
    changed: float = 0.0
    left_vox: float = 0.0
    unsure: float = 0.0
    still: bool = False


@dataclass(frozen=True, eq=False)
class Builder:
    """One group's atlas in the making.

    Parameters
    ----------
    members : tuple of Member
        At least `LEAST`.
    work : SubjectFiles
        Where results of subjects go, and are found again.
    config : AtlasConfig
        How.
    do : function
        As of `Do`.
    resources : object
        As of `cohort.job.Job`.
    on_step : function
        Called with words, and how many of how many subjects are averaged.
    """

    members: tuple[Member, ...]
    work: SubjectFiles
    config: AtlasConfig
    do: Do
    resources: Any
    on_step: Callable[[str, int, int], None] = lambda *_: None

    def __post_init__(self) -> None:
        if len(self.members) < LEAST:
            raise ValueError(f"an atlas needs at least {LEAST} subjects, got {len(self.members)}")
        bare = [m.subject for m in self.members if m.labels is None]
        if bare and len(bare) < len(self.members):
            raise ValueError(f"{len(bare)} of {len(self.members)} subjects have no labels, such as {bare[0]}")
        if bare and (self.config.masked or self.config.drive == "labels"):
            raise ValueError("there are no labels: name their folder, or leave out what needs them")

    @property
    def by_path(self) -> Mapping[Path, Member]:
        """Members by their scans."""
        return {member.path: member for member in self.members}

    def build(self, reference: Scan | None = None) -> Atlas:
        """The atlas.

        Parameters
        ----------
        reference : Scan, optional
            Whose pose the atlas has, prepared; else the first member. Its shape and size are taken out.
        """
        self.do(PrepareJob(self.by_path, self.config, self.resources), self.work.of("prepared"))
        codes = self._codes()
        start = reference or self.work.image(self.members[0])
        template = Template(np.asarray(start.voxels, np.float32), start.grid, np.ones(start.grid.shape, bool))
        worlds, to_reference, rounds = None, np.eye(4), list[Round]()
        for number in (0, 1):
            kind = f"place-{number}"
            job = PlaceJob(self.by_path, template, self.work, worlds, self.config, self.resources)
            self.do(job, self.work.of(kind))
            placed = {m.stem: self.work.world(m, kind) for m in self.members}
            stretch = stretch_of(mean_affine(list(placed.values())), _middle_mm(template))
            worlds = {name: world @ np.linalg.inv(stretch) for name, world in placed.items()}
            to_reference = to_reference @ np.linalg.inv(stretch)
            grid = template.grid if number else _grid_of(template, stretch, self.config.spacing_mm)
            fits = {m: Fit(worlds[m.stem]) for m in self.members}
            template = self._template(self._sums(fits, grid, None, ()), grid, codes, fits)
            rounds.append(Round(f"affine {number + 1}", _sharpness(template)))
        assert worlds is not None
        return self._deformed(template, worlds, to_reference, rounds, codes)

    def _deformed(
        self,
        template: Template,
        worlds: Mapping[str, World],
        to_reference: World,
        rounds: list[Round],
        codes: tuple[int, ...],
    ) -> Atlas:
        grid = template.grid
        lattice = Lattice(grid.shape, self.config.stride)
        driving = codes if self.config.drive == "labels" else ()
        starts: Mapping[str, torch.Tensor] | None = None
        for number in range(1, self.config.rounds + 1):
            kind = f"deform-{number}"
            job = DeformJob(
                self.by_path, template, self.work, worlds, starts, driving, self.config, self.resources
            )
            self.do(job, self.work.of(kind))
            found = {m: self.work.velocity(m, kind) for m in self.members}
            mean = sum(found.values(), lattice.zeros()) / len(found)
            starts = {m.stem: velocity - mean for m, velocity in found.items()}
            fits = {m: Fit(worlds[m.stem], velocity) for m, velocity in found.items()}
            before, sums = template, self._sums(fits, grid, template, codes)
            template = self._template(sums, grid, driving, fits)
            rounds.append(self._round(number, template, before, sums))
            if rounds[-1].still:
                break
        told = {"to_reference": to_reference.tolist(), "rounds": [asdict(r) for r in rounds]}
        atlas = finished(self.members, self.config, template, sums, codes, told)
        if atlas.labels is None or not self.config.volumes:
            return atlas
        measure = MeasureJob(self.by_path, atlas, self.work, self.config, self.resources)
        self.do(measure, self.work.of(KIND))
        return replace(atlas, norms=norms_from(self.work, self.members))

    def _round(self, number: int, template: Template, before: Template, sums: Sums) -> Round:
        changed = float(np.abs(template.image - before.image)[template.region].mean())
        unsure = float(sums.standard_error[template.region].mean())
        return Round(
            f"velocities {number}",
            _sharpness(template),
            changed,
            sums.left_vox(template.region),
            unsure,
            number > 1 and changed < self.config.still * unsure,
        )

    def _sums(
        self, fits: Mapping[Member, Fit], grid: Grid, before: Template | None, codes: Sequence[int]
    ) -> Sums:
        like = None if before is None else (before.image, before.region)
        return average(
            fits,
            self.work,
            grid,
            Lattice(grid.shape, self.config.stride),
            like=like,
            codes=codes,
            on_item=lambda n: self.on_step("averaging", n, len(fits)),
        )

    def _template(self, sums: Sums, grid: Grid, codes: Sequence[int], fits: Mapping[Member, Fit]) -> Template:
        shares = None
        if self.config.drive == "labels":
            counted = sums if sums.counts is not None else self._sums(fits, grid, None, codes)
            shares = counted.shares
        there = sums.mean > DIM * float(sums.mean.max()) if shares is None else shares.sum(0) > DIM
        seen = sums.seen(MOST)
        return Template(np.where(seen, sums.mean, 0), grid, _wider(there) & seen, shares, seen)

    def _codes(self) -> tuple[int, ...]:
        """All labels there are."""
        found: set[int] = set()
        for member in self.members:
            if member.labels is not None:
                labels = read_labels(member.labels, self.work.image(member).grid, member.path.name)
                found.update(np.unique(labels.voxels).tolist())
        codes = tuple(sorted(code for code in found if code > 0))
        if self.config.drive == "labels" and len(codes) > MOST_DRIVING:
            raise ValueError(
                f"{len(codes)} labels are too many to align (at most {MOST_DRIVING}): align the images, or "
                "merge labels"
            )
        return codes


def _middle_mm(template: Template) -> np.ndarray[Any, np.dtype[np.float64]]:
    there = np.argwhere(template.image > DIM * float(template.image.max()))
    return apply_affine(template.grid.affine, (there.min(0) + there.max(0)) / 2)


def _grid_of(template: Template, stretch: World, spacing_mm: float) -> Grid:
    """Around what a stretched template shows, with a margin; along the world's axes."""
    there = np.argwhere(template.image > DIM * float(template.image.max()))
    low, high = there.min(0), there.max(0)
    ends = np.array([[(low, high)[c][a] for a, c in enumerate(k)] for k in np.ndindex(2, 2, 2)])
    corners = apply_affine(stretch @ template.grid.affine, ends)
    middle = (corners.min(0) + corners.max(0)) / 2
    wanted = (corners.max(0) - corners.min(0)) / spacing_mm + 1 + 2 * MARGIN_VOX
    shape = (DIVISOR * np.ceil(wanted / DIVISOR)).astype(int)
    affine = np.diag([spacing_mm] * 3 + [1.0])
    affine[:3, 3] = middle - spacing_mm * (shape - 1) / 2
    return Grid(tuple(int(n) for n in shape), affine)  # type: ignore[arg-type]


def _wider(mask: Mask) -> Mask:
    found: Mask = ndimage.binary_dilation(mask, iterations=2)
    return found


def _sharpness(template: Template) -> float:
    squares = np.sum(np.square(np.gradient(template.image)), axis=0)
    return float(squares[template.region].mean())
