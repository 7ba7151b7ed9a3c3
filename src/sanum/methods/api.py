"""What every method looks like from outside: its line in the registry, its outputs, its result.

Only names and small frozen classes; nothing here computes, reads or writes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@dataclass(frozen=True)
class Method:
    """One line of the registry: strings alone, so that listing the methods imports none of them.

    Parameters
    ----------
    name : str
        What `sanum.load` and the command line call it.
    task : str
        "anatomy", "anomaly2d", "segmentation", …: its folder in `methods/`.
    module : str
        Dotted path of its folder below `sanum.methods`.
    paper : str
        Authors, venue and year, or "baseline".
    summary : str
        What it does, in one sentence.
    extra : str, optional
        The extra of `pip install 'sanum[…]'` that it needs.
    weights : str, optional
        Name of the weights that ship or can be fetched; None: it is trained first, or has none.
    second : str, optional
        Name of the weights of its second stage, which makes the maps finer where they are there.
    trained : bool
        Whether it has recipes, and weights that a training makes; False for a baseline.
    fitted : bool
        Whether it learns from a user's own images, with `fit`: it is loaded without weights then, or with the
        file that its `save` wrote.
    """

    name: str
    task: str
    module: str
    paper: str
    summary: str
    extra: str | None = None
    weights: str | None = None
    second: str | None = None
    trained: bool = True
    fitted: bool = False


@runtime_checkable
class Model(Protocol):
    """A method that is loaded and ready to use."""

    weights_name: str
    weights_sha256: str

    @property
    def device(self) -> str:
        """Where it computes, a torch device."""
        ...


@dataclass(frozen=True)
class OutputSpec:
    """Description of one output of a method, without its content.

    Parameters
    ----------
    name : str
        Key in `Result.outputs`, such as "anatomy".
    meaning : str
        What it shows, in one sentence; also the `Description` of its sidecar.
    desc : str or None
        BIDS entity `desc` of its file name; None: the name has none.
    suffix : str
        BIDS suffix of its file name.
    extension : str
        With the dot.
    unit : str
        Of its values; empty if it has none.
    sidecar : mapping
        Further fields of the JSON file beside it in a BIDS derivative.
    """

    name: str
    meaning: str
    desc: str | None
    suffix: str
    extension: str = ".nii.gz"
    unit: str = ""
    sidecar: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Output:
    """One output of one result.

    Parameters
    ----------
    spec : OutputSpec
        What it is.
    content : Scan, str, bytes or other
        The thing itself.
    """

    spec: OutputSpec
    content: Any


class LateOutput(Output):
    """An output whose content is made on first access, such as a page with figures.

    Parameters
    ----------
    spec : OutputSpec
        What it is.
    make : function
        Gives the content.
    """

    def __init__(self, spec: OutputSpec, make: Callable[[], Any]) -> None:
        object.__setattr__(self, "spec", spec)
        object.__setattr__(self, "make", make)

    @cached_property
    def content(self) -> Any:
        """The thing itself."""
        return vars(self)["make"]()


@runtime_checkable
class Result(Protocol):
    """What any job returns: saving, reports, batches, tables and BIDS use nothing else."""

    @property
    def name(self) -> str:
        """Stem of the files."""
        ...

    @property
    def outputs(self) -> Mapping[str, Output]:
        """Outputs by name."""
        ...

    @property
    def numbers(self) -> Mapping[str, float]:
        """Numbers by name, with the unit in the name: `anomaly_ml`."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """What a user should know about how it was made."""
        ...

    @property
    def provenance(self) -> Mapping[str, str]:
        """Version, weights, device and settings."""
        ...

    def save(self, folder: str | Path, *, overwrite: bool = False) -> list[Path]:
        """Write every output into a folder, all whole or none; returns the paths.

        Parameters
        ----------
        folder : str or Path
            Made if missing.
        overwrite : bool
            Replace files of these names; without it they are an error.
        """
        ...
