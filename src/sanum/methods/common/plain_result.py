"""A result of named outputs and numbers, for jobs that need no class of their own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from ..api import Output, OutputSpec
from .saving import save_result


@dataclass(frozen=True, eq=False)
class PlainResult:
    """What a job returns (`methods.api.Result`).

    Parameters
    ----------
    name : str
        Stem of its files.
    outputs : mapping of Output
        By name.
    numbers : mapping of float
        By name, with the unit in the name.
    warnings : tuple of str
        What a user should know about how it was made.
    provenance : mapping of str
        Version, weights, device and settings.
    """

    name: str
    outputs: Mapping[str, Output]
    numbers: Mapping[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        outputs: Mapping[str, OutputSpec],
        name: str,
        contents: Mapping[str, Any],
        numbers: Mapping[str, float] | None = None,
        warnings: tuple[str, ...] = (),
    ) -> Self:
        """A result of contents.

        Parameters
        ----------
        outputs : mapping of OutputSpec
            What each is, by name; at least of all contents.
        name : str
            Stem of its files.
        contents : mapping
            What is written, by name.
        numbers : mapping of float, optional
            By name.
        warnings : tuple of str
            What a user should know.
        """
        made = {key: Output(outputs[key], content) for key, content in contents.items()}
        return cls(name, made, numbers or {}, warnings)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> list[Path]:
        """Write every output into a folder, all whole or none; returns the paths.

        Parameters
        ----------
        folder : str or Path
            Made if missing.
        overwrite : bool
            Replace files of these names; without it they are an error.
        """
        return save_result(self, folder, overwrite=overwrite)
