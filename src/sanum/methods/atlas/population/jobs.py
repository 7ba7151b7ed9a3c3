"""What is done with one subject, as a batch sees it (`cohort.job.Job`): prepare, place, deform."""

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from .... import __version__
from ....learn.threads import one_thread
from ....scan import Scan, read
from ....scan.maps import read_map
from ....space.deform import STAGES, WARM_STAGES, Target, deform, displacement_at
from ....space.grid import Grid
from ....space.register import register_affine
from ....space.velocity import Lattice, jacobian, warp
from ....types import FloatArray, Mask
from ...api import Output, OutputSpec, Result
from ...common.alignment_job import matrix_text
from ...common.plain_result import PlainResult
from ...common.saving import file_name
from .config import AtlasConfig
from .lay import World, channels, roughly
from .members import Member
from .prepared import prepared, read_labels

PREPARED = OutputSpec("image", "The scan as the atlas sees it.", "prepared", "image")
PLACE = OutputSpec("place", "Template mm to subject mm, RAS.", None, "place", ".txt")
VELOCITY = OutputSpec(
    "velocity", "Coefficients of a velocity, in voxels of the template.", None, "velocity", ".npy"
)
Tables = Mapping[str, Mapping[str, int | None]]


@dataclass(frozen=True, eq=False)
class Template:
    """What subjects are laid onto.

    Parameters
    ----------
    image : (X, Y, Z) float32
        Near 1 where it is bright.
    grid : Grid
        Where it is.
    region : (X, Y, Z) bool
        Where it is compared.
    shares : (K, X, Y, Z) float32 or None
        Of the labels that are aligned.
    """

    image: FloatArray
    grid: Grid
    region: Mask
    shares: FloatArray | None = None

    @cached_property
    def sha256(self) -> str:
        """Of all of it."""
        digest = hashlib.sha256(np.ascontiguousarray(self.image).tobytes())
        for part in (self.grid.affine, self.region, self.shares):
            digest.update(b"" if part is None else np.ascontiguousarray(part).tobytes())
        return digest.hexdigest()

    def target(self, config: AtlasConfig) -> Target:
        """For `space.deform`.

        Parameters
        ----------
        config : AtlasConfig
            What is descended.
        """
        moved = self.image[None] if self.shares is None else self.shares
        return Target(
            torch.from_numpy(np.ascontiguousarray(moved, np.float32))[None],
            torch.from_numpy(self.region.astype(np.float32))[None, None],
            Lattice(self.grid.shape, config.stride),
            config.distance,
            config.stiffness,
        )


@dataclass(frozen=True)
class SubjectFiles:
    """Where the results of subjects are, by what was done.

    Parameters
    ----------
    folder : Path
        Of the atlas's work.
    shared : Path
        Of prepared scans, which all subgroups share.
    """

    folder: Path
    shared: Path

    def file(self, kind: str, member: Member, spec: OutputSpec) -> Path:
        """Path of one result.

        Parameters
        ----------
        kind : str
            What was done, such as "place-1": a folder.
        member : Member
            The subject.
        spec : OutputSpec
            Of the result.
        """
        return self.of(kind) / file_name(member.stem, spec)

    def of(self, kind: str) -> Path:
        """Folder of one kind of results.

        Parameters
        ----------
        kind : str
            What was done.
        """
        return self.shared if kind == "prepared" else self.folder / kind

    def image(self, member: Member) -> Scan:
        """The prepared scan.

        Parameters
        ----------
        member : Member
            The subject.
        """
        return read_map(self.file("prepared", member, PREPARED), dtype=np.float32)

    def world(self, member: Member, kind: str) -> World:
        """Template mm → subject mm.

        Parameters
        ----------
        member : Member
            The subject.
        kind : str
            Of which round.
        """
        return np.loadtxt(self.file(kind, member, PLACE))

    def velocity(self, member: Member, kind: str) -> torch.Tensor:
        """Coefficients (1, 3, *points).

        Parameters
        ----------
        member : Member
            The subject.
        kind : str
            Of which round.
        """
        return torch.from_numpy(np.load(self.file(kind, member, VELOCITY)).astype(np.float32))


class _Plain:
    """What the three jobs have in common."""

    tables: ClassVar[Tables] = {}

    def facts(self, result: Result) -> Mapping[str, Any]:
        """Nothing beside its numbers.

        Parameters
        ----------
        result : Result
            From `compute`.
        """
        return {}


@dataclass(frozen=True, eq=False)
class PrepareJob(_Plain):
    """Every scan as the atlas sees it.

    Parameters
    ----------
    members : mapping of Member
        By the path of the scan.
    config : AtlasConfig
        How.
    resources : object
        As of `cohort.job.Job`.
    """

    members: Mapping[Path, Member]
    config: AtlasConfig
    resources: Any
    name: ClassVar[str] = "atlas prepare"
    past: ClassVar[str] = "prepared"
    outputs: ClassVar[Mapping[str, OutputSpec]] = {"image": PREPARED}

    @property
    def settings(self) -> Mapping[str, Any]:
        """Version, and what decides the scan."""
        labels = {m.stem: str(m.labels) for m in self.members.values()}
        told = hashlib.sha256(repr(sorted(labels.items())).encode()).hexdigest() if self.config.masked else ""
        kept = {name: asdict(self.config)[name] for name in ("spacing_mm", "masked", "shading")}
        return {"version": __version__, "labels": told, **kept}

    def read(self, item: Any) -> Member:
        """Its member.

        Parameters
        ----------
        item : HasFile
            Of the batch.
        """
        return self.members[item.path]

    def compute(self, loaded: Member, on_step: Callable[[str], None]) -> Result:
        """The prepared scan.

        Parameters
        ----------
        loaded : Member
            From `read`.
        on_step : function
            Called with the name of each step.
        """
        on_step("preparing")
        scan = prepared(loaded.path, loaded.labels, self.config)
        return PlainResult(loaded.stem, {"image": Output(PREPARED, scan)})


@dataclass(frozen=True, eq=False)
class PlaceJob(_Plain):
    """Every scan's affine.

    Parameters
    ----------
    members : mapping of Member
        By the path of the scan.
    template : Template
        What they are laid onto.
    work : SubjectFiles
        Where prepared scans are.
    starts : mapping of (4, 4) float64 or None
        Maps that are near already, by stem.
    resources : object
        As of `cohort.job.Job`.
    """

    members: Mapping[Path, Member]
    template: Template
    work: SubjectFiles
    starts: Mapping[str, World] | None
    resources: Any
    name: ClassVar[str] = "atlas place"
    past: ClassVar[str] = "placed"
    outputs: ClassVar[Mapping[str, OutputSpec]] = {"place": PLACE}

    @property
    def settings(self) -> Mapping[str, Any]:
        """Version and template."""
        return {"version": __version__, "template": self.template.sha256}

    def read(self, item: Any) -> tuple[Member, Scan]:
        """Its member and prepared scan.

        Parameters
        ----------
        item : HasFile
            Of the batch.
        """
        member = self.members[item.path]
        return member, self.work.image(member)

    def compute(self, loaded: tuple[Member, Scan], on_step: Callable[[str], None]) -> Result:
        """The affine.

        Parameters
        ----------
        loaded : tuple
            From `read`.
        on_step : function
            Called with the name of each step.
        """
        member, scan = loaded
        on_step("placing")
        start = None if self.starts is None else self.starts[member.stem]
        region = None if start is None else np.ones(self.template.grid.shape, bool)
        world = register_affine(
            self.template.image, self.template.grid, scan.voxels, scan.grid, region=region, start=start
        )
        return PlainResult(member.stem, {"place": Output(PLACE, matrix_text(world))})


@dataclass(frozen=True, eq=False)
class DeformJob(_Plain):
    """Every scan's velocity.

    Parameters
    ----------
    members : mapping of Member
        By the path of the scan.
    template : Template
        What they are laid onto.
    work : SubjectFiles
        Where prepared scans are.
    worlds : mapping of (4, 4) float64
        Template mm → subject mm, by stem.
    starts : mapping of tensor or None
        Coefficients to begin with, by stem; None: from rest, through all stages.
    codes : tuple of int
        Labels that are aligned; none: intensities are.
    config : AtlasConfig
        How.
    resources : object
        As of `cohort.job.Job`.
    """

    members: Mapping[Path, Member]
    template: Template
    work: SubjectFiles
    worlds: Mapping[str, World]
    starts: Mapping[str, torch.Tensor] | None
    codes: tuple[int, ...]
    config: AtlasConfig
    resources: Any
    name: ClassVar[str] = "atlas deform"
    past: ClassVar[str] = "deformed"
    outputs: ClassVar[Mapping[str, OutputSpec]] = {"velocity": VELOCITY}

    @cached_property
    def target(self) -> Target:
        """What is deformed onto."""
        return self.template.target(self.config)

    @property
    def settings(self) -> Mapping[str, Any]:
        """Version, template and choices."""
        return {
            "version": __version__,
            "template": self.template.sha256,
            "warm": self.starts is not None,
            "codes": list(self.codes),
            **{name: value for name, value in asdict(self.config).items() if name not in ("rounds", "still")},
        }

    def read(self, item: Any) -> tuple[Member, torch.Tensor]:
        """Its member, and what is deformed, at the template's voxels.

        Parameters
        ----------
        item : HasFile
            Of the batch.
        """
        member = self.members[item.path]
        world, grid = self.worlds[member.stem], self.template.grid
        if not self.codes:
            return member, roughly(self.work.image(member), world, grid)
        assert member.labels is not None  # `build` has seen to it
        labels = read_labels(member.labels, read(member.path).grid, member.path.name)
        return member, channels(labels, self.codes, world, grid)

    def compute(self, loaded: tuple[Member, torch.Tensor], on_step: Callable[[str], None]) -> Result:
        """The velocity, how far apart both are after it, and how much of it folds.

        Parameters
        ----------
        loaded : tuple
            From `read`.
        on_step : function
            Called with the name of each step.
        """
        member, moving = loaded
        on_step("deforming")
        target = self.target
        start = target.lattice.zeros() if self.starts is None else self.starts[member.stem]
        with one_thread():
            found = deform(target, moving, start, STAGES[:2] if self.starts is None else WARM_STAGES)
            shift = displacement_at(found, target.lattice)
            left = float(target.distance(target.image, warp(moving, shift), target.region))
        there = target.region[0, 0] > 0
        stream = io.BytesIO()
        np.save(stream, found.numpy().astype(np.float32))
        numbers = {
            "distance": left,
            "moved_vox": float(shift[0].norm(dim=0)[there].mean()),
            "folded": float((jacobian(shift)[0][there] <= 0).float().mean()),
        }
        return PlainResult(member.stem, {"velocity": Output(VELOCITY, stream.getvalue())}, numbers)
