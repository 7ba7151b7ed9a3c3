"""Usual volumes: those of each subject, measured as `sanum atlas compare` measures a new one."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from .... import __version__
from ....scan import Scan
from ...api import OutputSpec, Result
from ...common.file_job import FileJob
from ...common.plain_result import PlainResult
from .atlas import Atlas
from .compare import place
from .config import AtlasConfig
from .members import Member
from .norms import Norms, norms_of
from .subject_files import SubjectFiles

VOLUMES = OutputSpec("volumes", "Volume of each label, mL.", None, "volumes", ".txt")
KIND = "measured"


@dataclass(frozen=True, eq=False)
class MeasureJob(FileJob):
    """Every subject laid onto the atlas that it is in, from the start: volumes of its labels.

    The velocities of the last round would not do: their mean was taken out, and that of a new subject is not.

    Parameters
    ----------
    members : mapping of Member
        By the path of the scan.
    atlas : Atlas
        With labels.
    work : SubjectFiles
        Where prepared scans are.
    config : AtlasConfig
        How it was built.
    resources : object
        As of `cohort.job.Job`.
    """

    members: Mapping[Path, Member]
    atlas: Atlas
    work: SubjectFiles
    config: AtlasConfig
    resources: Any
    name: ClassVar[str] = "atlas measure"
    past: ClassVar[str] = "measured"
    outputs: ClassVar[Mapping[str, OutputSpec]] = {"volumes": VOLUMES}
    tables: ClassVar[Mapping[str, Mapping[str, int | None]]] = {}

    @property
    def settings(self) -> Mapping[str, Any]:
        """Version and atlas."""
        digest = hashlib.sha256(np.ascontiguousarray(self.atlas.template).tobytes())
        digest.update(np.ascontiguousarray(self.atlas.labels).tobytes())
        return {"version": __version__, "atlas": digest.hexdigest()}

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
        """The volumes.

        Parameters
        ----------
        loaded : tuple
            From `read`.
        on_step : function
            Called with the name of each step.
        """
        member, scan = loaded
        on_step("measuring")
        volumes = place(self.atlas, scan, self.config).volumes_ml
        text = "".join(f"{value:.6g}\n" for value in volumes)
        return PlainResult.of(self.outputs, member.stem, {"volumes": text})


def norms_from(work: SubjectFiles, members: Sequence[Member]) -> Norms | None:
    """Norms of what was measured.

    Parameters
    ----------
    work : SubjectFiles
        Where the volumes are.
    members : sequence of Member
        Of the atlas.
    """
    volumes = np.array([np.loadtxt(work.file(KIND, m, VOLUMES), ndmin=1) for m in members])
    return norms_of(volumes, [m.columns for m in members])
