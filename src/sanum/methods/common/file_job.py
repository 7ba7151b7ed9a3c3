"""What jobs share that make one result of one file (`cohort.job.Job`)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from ..api import Result


class HasFile(Protocol):
    """An item of a batch."""

    @property
    def path(self) -> Path:
        """Of a file."""

    @property
    def stem(self) -> str:
        """Name that its results start with."""


class FileJob:
    """A job whose records hold its settings and its numbers, and no facts beside them."""

    def facts(self, result: Result) -> Mapping[str, Any]:
        """Nothing.

        Parameters
        ----------
        result : Result
            From `compute`.
        """
        return {}
