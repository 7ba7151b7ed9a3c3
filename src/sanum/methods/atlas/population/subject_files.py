"""Where the results of subjects are, and how they are read again."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ....scan import Scan
from ....scan.maps import read_map
from ...api import OutputSpec
from ...common.saving import file_name
from .lay import World
from .members import Member

PREPARED = OutputSpec("image", "The scan as the atlas sees it.", "prepared", "image")
PLACE = OutputSpec("place", "Template mm to subject mm, RAS.", None, "place", ".txt")
VELOCITY = OutputSpec(
    "velocity", "Coefficients of a velocity, in voxels of the template.", None, "velocity", ".npy"
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
