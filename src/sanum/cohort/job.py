"""What is done with each item of a run: a job. The runner, the tables and Dask see nothing else of a method.

A job reads an item and computes its result, in two steps, so that the next item is read while one is
computed. `job_of` makes one of any function.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from .. import __version__
from ..methods.api import OutputSpec, Result
from .contract import require_known_outputs, settings_as_json
from .inputs import Item

OnStep = Callable[[str], None]
"""Called with the name of each step as it begins."""

Tables = Mapping[str, Mapping[str, int | None]]
"""Tables over all items: file name → column → decimals of a number, None for text.

A column is a field of the record, a number of the result, or an output, whose file it names.
"""


class Resources(Protocol):
    """What a job takes of the machine, and how it can be made to take less."""

    @property
    def at_once(self) -> int:
        """How many items are best computed at the same time in this process."""

    @property
    def is_shared(self) -> bool:
        """Whether any number of threads may compute at the same time; otherwise they take turns."""

    @property
    def base_bytes(self) -> int:
        """Memory of the process before it has an item."""

    def model_bytes(self, at_once: int) -> int:
        """Memory that models take beside that.

        Parameters
        ----------
        at_once : int
            Items that are computed at the same time.
        """

    def item_bytes(self, path: Path) -> int:
        """Memory that one item takes beside that, estimated from its header.

        Parameters
        ----------
        path : Path
            Of the item.
        """

    def fit(self, room: int | None) -> None:
        """Make the model fit into memory; `OutOfMemory` if it cannot.

        Parameters
        ----------
        room : int or None
            Bytes that it may take beside the base and the item; None: what is free.
        """

    @property
    def steps(self) -> tuple[str, ...]:
        """What was done so far so that the model fits, in words."""

    @property
    def description(self) -> Mapping[str, Any]:
        """Model and device for `run.json`: weights, weights_sha256, device, network."""


class Job(Protocol):
    """What a run does with each of its items."""

    @property
    def name(self) -> str:
        """What records call it, such as "reconstruct"."""

    @property
    def past(self) -> str:
        """What an item is when all went well, such as "reconstructed"."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """Everything beside the input that decides the results, as JSON: version, weights, options.

        No name may be a field of every record: job, input, outputs, warnings.
        """

    @property
    def outputs(self) -> Mapping[str, OutputSpec]:
        """What every result has, by name: all of these, no others, and each with a file name of its own."""

    @property
    def tables(self) -> Tables:
        """Which of its fields and numbers go to which table over all items."""

    @property
    def resources(self) -> Resources:
        """What it takes of the machine."""

    def read(self, item: Item) -> Any:
        """Whatever `compute` needs of an item; `ScanError` says why it cannot be used.

        Parameters
        ----------
        item : Item
            What to read.
        """

    def compute(self, loaded: Any, on_step: OnStep) -> Result:
        """Result of what was read, with the `stem` of the item as its `name`.

        It is the same for the same input and settings.

        Parameters
        ----------
        loaded : object
            From `read`.
        on_step : function
            Called with the name of each step.
        """

    def facts(self, result: Result) -> Mapping[str, Any]:
        """Further fields of the record of a result, as JSON.

        Parameters
        ----------
        result : Result
            From `compute`.
        """


@dataclass(frozen=True)
class PlainResources:
    """Resources of a function without a model.

    Parameters
    ----------
    at_once : int
        Items computed at the same time.
    need : function, optional
        Bytes of memory that the item of a path takes; default none.
    is_shared, base_bytes, steps
        As in `Resources`: any number of threads, no memory, nothing to make smaller.
    """

    at_once: int = 1
    need: Callable[[Path], int] | None = None
    is_shared: bool = field(default=True, init=False)
    base_bytes: int = field(default=0, init=False)
    steps: tuple[str, ...] = field(default=(), init=False)

    @property
    def description(self) -> Mapping[str, Any]:
        """It computes on the CPU."""
        return {"device": "cpu"}

    def model_bytes(self, at_once: int) -> int:
        """Nothing.

        Parameters
        ----------
        at_once : int
            Items that are computed at the same time.
        """
        return 0 * at_once

    def item_bytes(self, path: Path) -> int:
        """What `need` says.

        Parameters
        ----------
        path : Path
            Of the item.
        """
        return self.need(path) if self.need else 0

    def fit(self, room: int | None) -> None:
        """Do nothing: there is no model.

        Parameters
        ----------
        room : int or None
            Bytes.
        """


@dataclass(frozen=True)
class FunctionJob:
    """A job of a function from an item to its result; see `job_of`.

    Parameters
    ----------
    function : function
        Gives the `Result` of an `Item`.
    name, past : str
        As in `Job`.
    outputs : mapping of str to OutputSpec
        What every result has.
    settings : mapping of str to JSON
        What decides the results, beside the input.
    tables : mapping
        See `Tables`.
    resources : Resources
        What it takes of the machine.
    """

    function: Callable[[Item], Result]
    name: str
    past: str
    outputs: Mapping[str, OutputSpec]
    settings: Mapping[str, Any]
    tables: Tables
    resources: Resources

    def read(self, item: Item) -> Item:
        """`item` itself: the function reads it.

        Parameters
        ----------
        item : Item
            What to do.
        """
        return item

    def compute(self, loaded: Item, on_step: OnStep) -> Result:
        """What the function makes of an item.

        Parameters
        ----------
        loaded : Item
            What to do.
        on_step : function
            Called once, with the name of the job.
        """
        on_step(self.name)
        return self.function(loaded)

    def facts(self, result: Result) -> Mapping[str, Any]:
        """Provenance of a result.

        Parameters
        ----------
        result : Result
            Of the function.
        """
        return dict(result.provenance)


def job_of(
    function: Callable[[Item], Result],
    outputs: Mapping[str, OutputSpec],
    *,
    name: str = "",
    past: str = "done",
    settings: Mapping[str, Any] | None = None,
    tables: Tables | None = None,
    resources: Resources | None = None,
) -> FunctionJob:
    """Job of a plain function, so that it gets resume, locks, shards, tables and Dask.

    Parameters
    ----------
    function : function
        Gives the `Result` of an `Item`, the same for the same input and settings. Its `name` must be
        `item.stem`. For Dask it must be one that workers can import.
    outputs : mapping of str to OutputSpec
        What every result has: all of these and no others.
    name : str
        What records call it; default the function's name.
    past : str
        What an item is when all went well, for messages.
    settings : mapping of str to JSON, optional
        What decides the results, beside the input and sanum's version. Tuples become lists.
    tables : mapping, optional
        See `Tables`.
    resources : Resources, optional
        Default: one item after the other, and no memory to speak of.

    Raises
    ------
    ValueError
        A setting is no JSON or has the name of a record's own field; two outputs share a file name.
    """
    require_known_outputs(outputs, without=())
    return FunctionJob(
        function=function,
        name=name or getattr(function, "__name__", "job"),
        past=past,
        outputs=outputs,
        settings=settings_as_json({"version": __version__, **(settings or {})}),
        tables=tables or {},
        resources=resources or PlainResources(),
    )
