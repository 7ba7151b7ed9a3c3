"""What is done with one subject, as a batch sees it (`cohort.job.Job`): prepare, place, deform."""

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from os.path import abspath
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch

from .... import __version__
from ....learn.threads import one_thread
from ....scan import Scan, read
from ....space.deform import STAGES, WARM_STAGES, Target, deform, displacement_at
from ....space.register import register_affine
from ....space.velocity import jacobian, warp
from ...api import OutputSpec, Result
from ...common.alignment_job import matrix_text
from ...common.file_job import FileJob
from ...common.plain_result import PlainResult
from .average import seen_roughly
from .config import AtlasConfig
from .lay import World, channels, roughly
from .members import Member
from .prepared import prepared, read_labels
from .subject_files import PLACE, PREPARED, VELOCITY, SubjectFiles
from .template import Template

NOT_OF_A_FIT = ("rounds", "still", "volumes")
"""Settings that change nothing of one subject's velocity."""

Tables = Mapping[str, Mapping[str, int | None]]


def preparation(members: Mapping[Path, Member], config: AtlasConfig) -> dict[str, Any]:
    """Version, and what decides how subjects are prepared: a setting of every job that reads them.

    Parameters
    ----------
    members : mapping of Member
        By the path of the scan.
    config : AtlasConfig
        How.
    """
    labels = {m.stem: None if m.labels is None else abspath(m.labels) for m in members.values()}
    told = hashlib.sha256(repr(sorted(labels.items())).encode()).hexdigest() if config.masked else ""
    kept = {name: asdict(config)[name] for name in ("spacing_mm", "masked", "shading")}
    return {"version": __version__, "labels": told, **kept}


@dataclass(frozen=True, eq=False)
class PrepareJob(FileJob):
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
    tables: ClassVar[Tables] = {}

    @property
    def settings(self) -> Mapping[str, Any]:
        """Version, and what decides the scan."""
        return preparation(self.members, self.config)

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
        return PlainResult.of(self.outputs, loaded.stem, {"image": scan})


@dataclass(frozen=True, eq=False)
class PlaceJob(FileJob):
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
    config : AtlasConfig
        How they were prepared.
    resources : object
        As of `cohort.job.Job`.
    """

    members: Mapping[Path, Member]
    template: Template
    work: SubjectFiles
    starts: Mapping[str, World] | None
    config: AtlasConfig
    resources: Any
    name: ClassVar[str] = "atlas place"
    past: ClassVar[str] = "placed"
    outputs: ClassVar[Mapping[str, OutputSpec]] = {"place": PLACE}
    tables: ClassVar[Tables] = {}

    @property
    def settings(self) -> Mapping[str, Any]:
        """Version, preparation and template."""
        return {**preparation(self.members, self.config), "template": self.template.sha256}

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
        seen = np.ones(self.template.grid.shape, bool) if self.template.seen is None else self.template.seen
        region = None if start is None else seen
        world = register_affine(
            self.template.image, self.template.grid, scan.voxels, scan.grid, region=region, start=start
        )
        return PlainResult.of(self.outputs, member.stem, {"place": matrix_text(world)})


@dataclass(frozen=True, eq=False)
class DeformJob(FileJob):
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
    tables: ClassVar[Tables] = {}

    @cached_property
    def target(self) -> Target:
        """What is deformed onto."""
        return self.template.target(self.config)

    @property
    def settings(self) -> Mapping[str, Any]:
        """Version, preparation, template and choices."""
        return {
            **preparation(self.members, self.config),
            "template": self.template.sha256,
            "warm": self.starts is not None,
            "codes": list(self.codes),
            **{name: value for name, value in asdict(self.config).items() if name not in NOT_OF_A_FIT},
        }

    def read(self, item: Any) -> tuple[Member, torch.Tensor, torch.Tensor]:
        """Its member, what is deformed, and how surely that was seen, at the template's voxels.

        Parameters
        ----------
        item : HasFile
            Of the batch.
        """
        member = self.members[item.path]
        world, grid = self.worlds[member.stem], self.template.grid
        scan = self.work.image(member)
        seen = seen_roughly(scan.grid, world, grid)
        if not self.codes:
            return member, roughly(scan, world, grid), seen
        assert member.labels is not None  # `build` has seen to it
        labels = read_labels(member.labels, read(member.path).grid, member.path.name)
        return member, channels(labels, self.codes, world, grid), seen

    def compute(
        self, loaded: tuple[Member, torch.Tensor, torch.Tensor], on_step: Callable[[str], None]
    ) -> Result:
        """The velocity, how far apart both are after it, and how much of it folds.

        Parameters
        ----------
        loaded : tuple
            From `read`.
        on_step : function
            Called with the name of each step.
        """
        member, moving, seen = loaded
        on_step("deforming")
        target = replace(self.target, region=self.target.region * seen)
        start = target.lattice.zeros() if self.starts is None else self.starts[member.stem]
        with one_thread():
            found = deform(target, moving, start, STAGES[:2] if self.starts is None else WARM_STAGES)
            shift = displacement_at(found, target.lattice)
            left = float(target.distance(target.image, warp(moving, shift), target.region))
        there = self.target.region[0, 0] > 0
        stream = io.BytesIO()
        np.save(stream, found.numpy().astype(np.float32))
        numbers = {
            "distance": left,
            "moved_vox": float(shift[0].norm(dim=0)[there].mean()),
            "folded": float((jacobian(shift)[0][there] <= 0).float().mean()),
        }
        return PlainResult.of(self.outputs, member.stem, {"velocity": stream.getvalue()}, numbers)
