"""What commands over many scans share: loading the job, and saying what becomes of each scan."""

import importlib.util
import re
import signal
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import typer

from .messages import complain, steady_stderr
from .options import in_bytes
from .progress import ItemProgress
from .threads import use_threads

if TYPE_CHECKING:
    from ..clinic.job import DicomJob
    from ..clinic.objects import DicomOptions
    from ..cohort import Item, ItemOutcome, RunSettings, RunSummary, SchedulerAt
    from ..healthy.compose import Compose
    from ..healthy.job import ReconstructJob
    from ..healthy.reconstruction import Space
    from ..scan.read import Reading

Options: TypeAlias = "tuple[Space, Compose, Reading, bool, Path | None, bool, DicomOptions | None]"
"""Space, composition, choices of reading, force, mask and fast, as `reconstruct` takes them; DICOM out."""

_DEVICE = re.compile(r"auto|cpu|mps|cuda(:\d+)?")
_LOST_SHOWN = 3
_STATES = {"finished": "finished before", "busy": "left to another run that has it", "failed": "failed"}


def load_job(
    device: str, threads: int, weights: str | Path | None, mem_gb: float | None, options: Options
) -> "ReconstructJob | DicomJob":
    """The main job, with its network loaded.

    Parameters
    ----------
    device : str
        As given by `--device`.
    threads : int
        CPU threads; 0: what the libraries choose.
    weights : str, Path or None
        As given by `--weights`.
    mem_gb : float or None
        Memory of the process, in 10⁹ bytes.
    options : tuple
        See `Options`.
    """
    from ..healthy.job import ReconstructJob
    from ..healthy.memory import BASE
    from ..learn.devices import resolve_device
    from ..methods import registry

    use_threads(threads)
    limit = in_bytes(mem_gb)
    room = None if limit is None else max(limit - BASE, 0)
    predictor = registry.load(device=resolve_device(device), weights=weights, room=room)
    dicom = options[-1]
    job = ReconstructJob(predictor, *options[:-1])
    if job.resources.second is not None and limit is not None:
        job.resources.fit(max(limit - job.resources.base_bytes, 0))
    if dicom is None:
        return job
    from ..clinic.job import DicomJob

    return DicomJob(job, dicom)


def load_on_worker(
    device: str, threads: int, weights: Path | None, mem_gb: float | None, options: Options, beside: int
) -> "ReconstructJob | DicomJob":
    """The main job in a worker of Dask, which finds its device and counts its cores itself.

    Parameters
    ----------
    device, weights, mem_gb, options
        As in `load_job`.
    threads : int
        CPU threads; 0: the worker's cores, shared by its threads of Dask.
    beside : int
        Worker processes that share the machine's cores.
    """
    from ..cohort import threads_of_worker

    return load_job(device, threads or threads_of_worker(beside), weights, mem_gb, options)


@dataclass(frozen=True)
class OnDask:
    """The workers of Dask that do a batch; nothing is loaded in this process.

    Parameters
    ----------
    how : tuple
        Arguments of `load_on_worker`.
    scheduler : str, SchedulerAt or None
        One that runs already; None: processes of this machine.
    workers : int
        Processes of this machine.
    """

    how: tuple[Hashable, ...]
    scheduler: "str | SchedulerAt | None"
    workers: int


def on_dask(
    device: str,
    threads: int,
    weights: str | None,
    mem_gb: float | None,
    options: Options,
    *,
    scheduler: "str | SchedulerAt | None" = None,
    workers: int = 2,
) -> OnDask:
    """Workers of Dask for the main job; ValueError if that cannot be, as far as this machine knows.

    Whether the device is there, the workers will see: this may be a login node without a GPU.

    Parameters
    ----------
    device, threads, weights, mem_gb, options
        As in `load_job`; memory is that of each worker.
    scheduler, workers
        See `OnDask`.
    """
    from ..weights.store import resolve

    if not _DEVICE.fullmatch(device):
        raise ValueError(f'device is auto, cpu, cuda, cuda:n or mps, not "{device}"')
    if not has_dask():
        raise ValueError("--executor dask needs Dask: pip install 'sanum[cluster]'")
    file = None if weights is None else resolve(weights).absolute()
    beside = 1 if scheduler else workers
    return OnDask((device, threads, file, mem_gb, options, beside), scheduler, workers)


def scheduler_at(address: str | None, certificate: Path | None) -> "str | SchedulerAt | None":
    """A scheduler that runs already, as `run_on_dask` takes it.

    Parameters
    ----------
    address : str or None
        As given by `--scheduler`.
    certificate : Path or None
        As given by `--certificate`.
    """
    from ..cohort import SchedulerAt

    return SchedulerAt(address, certificate) if address and certificate else address


def has_dask() -> bool:
    """Whether Dask is installed, and what makes its certificates."""
    return all(importlib.util.find_spec(name) for name in ("distributed", "cryptography"))


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM, which clusters send before they kill, end the run as Ctrl-C does; both answer at once."""

    def interrupt(*_: object) -> None:
        with suppress(RuntimeError):  # in the middle of another line
            complain("stopping: the step that is computed now ends first, and what is written is finished")
        raise KeyboardInterrupt

    listens = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # background jobs do not
    numbers = (signal.SIGTERM, signal.SIGINT) if listens else (signal.SIGTERM,)
    before = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def do_batch(
    items: "list[Item]",
    output: Path,
    settings: "RunSettings",
    by: "ReconstructJob | DicomJob | OnDask",
    progress: ItemProgress,
    *,
    part: tuple[int, int] = (1, 1),
    single: bool = False,
) -> int:
    """Exit code of a batch: outcomes are printed as they come, and the files about all are written.

    Parameters
    ----------
    items : list of Item
        The scans.
    output : Path
        The output folder.
    settings : RunSettings
        Of the run.
    by : ReconstructJob, DicomJob or OnDask
        Who does it: this process with a loaded job, or workers.
    progress : ItemProgress
        That of so many items, entered.
    part : (int, int)
        Which part of how many these items are.
    single : bool
        One scan was given by itself.

    Raises
    ------
    ClusterError
        See `run_on_dask`.
    """
    from ..cohort import RunSummary, names_of, run, run_on_dask
    from ..healthy.job import TABLES

    names = names_of(items)
    if isinstance(by, OnDask):
        work = run_on_dask(
            items, output, load_on_worker, by.how, settings, scheduler=by.scheduler, workers=by.workers
        )
        summary = RunSummary(items, part, output, TABLES, single=single)
    else:
        work = run(items, output, by, settings, on_step=lambda item, step: progress.step(names[item], step))
        summary = RunSummary(items, part, output, TABLES, resources=by.resources, single=single)
    return _follow(work, summary, progress)


def show_each(
    work: "Iterable[ItemOutcome]",
    summary: "RunSummary",
    progress: ItemProgress,
    line: "Callable[[Item, dict[str, Any]], str]",
) -> None:
    """Print a line for each item as it ends, or why it failed.

    Parameters
    ----------
    work : iterable of ItemOutcome
        Of `cohort.run`.
    summary : RunSummary
        Takes note of each.
    progress : ItemProgress
        That is shown meanwhile.
    line : function
        Gives the line of an item and its record.
    """
    for outcome in work:
        summary.add(outcome)
        with progress.hidden():
            seconds = outcome.seconds if outcome.state == "done" else None
            progress.ended(outcome.item.shown, outcome.state, seconds)
            if outcome.reason:
                complain(outcome.reason)
            elif outcome.record:
                typer.echo(line(outcome.item, outcome.record))


def do_each(
    job: Any,
    items: "list[Item]",
    output: Path,
    line: "Callable[[Item, dict[str, Any]], str]",
    *,
    single: bool,
    noun: str,
    overwrite: bool,
    shown: tuple[bool, bool],
) -> None:
    """Do a plain job of each item, say what became of it and what a user should know, and write the tables.

    Parameters
    ----------
    job : cohort.job.Job
        With tables and resources.
    items : list of Item
        Of `cohort.expand`.
    output : Path
        Output folder.
    line : function
        As of `show_each`.
    single : bool
        One item was asked for by its name.
    noun : str
        What items are called, in the plural.
    overwrite : bool
        Do again what is finished.
    shown : (bool, bool)
        Quiet, and verbose.

    Raises
    ------
    typer.Exit
        1: some failed; 2: the single one did.
    """
    from ..cohort import RunSettings, RunSummary, run

    summary = RunSummary(items, (1, 1), output, job.tables, resources=job.resources)
    with (
        steady_stderr(),
        terminated_as_interrupted(),
        ItemProgress(len(items), quiet=shown[0], verbose=shown[1]) as progress,
    ):
        try:
            settings = RunSettings(overwrite=overwrite, keep_failures=not single)
            work = run(items, output, job, settings, on_step=lambda item, at: progress.step(item.shown, at))
            show_each(work, summary, progress, line)
        finally:
            summary.write()
    if failed := summary.states["failed"]:
        if not single:
            complain(f"{failed} of {len(items)} {noun} failed: see {output / 'failed.tsv'}")
        raise typer.Exit(2 if single else 1)


def _follow(work: "Generator[ItemOutcome]", summary: "RunSummary", progress: ItemProgress) -> int:
    from ..scan import ScanError

    printer, files_are_whole = _Printer(summary, progress), True
    try:
        with closing(work):
            for outcome in work:
                summary.add(outcome)
                with progress.hidden():
                    printer.outcome(outcome)
    finally:
        printer.lost(summary.lose())
        try:
            summary.write()
        except ScanError as error:
            complain(str(error))
            files_are_whole = False
    with progress.hidden():
        printer.all(see_table=files_are_whole)
    states = summary.states
    if states["failed"] or not files_are_whole:
        return 2 if summary.single else 1
    return 0 if states["done"] + states["finished"] == len(summary.items) else 1


def _ml(value: float | None, decimals: int) -> str:
    return "n/a" if value is None else f"{value:.{decimals}f} mL"


class _Printer:
    """Prints what becomes of each scan: results on stdout, the rest on stderr."""

    def __init__(self, summary: "RunSummary", progress: ItemProgress) -> None:
        from ..cohort import names_of

        self.summary, self.progress = summary, progress
        self.names, self.differences = names_of(summary.items), set[str]()

    def outcome(self, outcome: "ItemOutcome") -> None:
        from ..scan.names import printable

        name = self.names[outcome.item]
        seconds = outcome.seconds if outcome.state == "done" else None
        alone = outcome.state == "failed" and self.progress.count == 1  # the reason is enough
        self.progress.ended(name, None if alone else _STATES.get(outcome.state), seconds)
        if outcome.reason:
            is_named = name == outcome.item.path.name or outcome.item.problem
            reason, *details = outcome.reason.splitlines()
            complain(reason if is_named else f"{printable(name)}: {reason}", details)
        if outcome.otherwise not in self.differences | {""}:
            self.differences.add(outcome.otherwise)
            complain(f"note: results made otherwise ({outcome.otherwise}): done again")
        if record := outcome.record:
            files = record["outputs"]
            main = files.get("report") or next(reversed(files.values()), "")
            result = printable(self.summary.output / outcome.item.place / main)
            anomaly, brain = _ml(record.get("anomaly_ml"), 1), _ml(record.get("brain_ml"), 0)
            typer.echo(f"{result}\tanomaly {anomaly}\tbrain {brain}")
            if outcome.state == "done":
                for warning in record["warnings"]:
                    complain(f"{printable(name)}: {warning}")

    def lost(self, outcomes: "list[ItemOutcome]") -> None:
        for outcome in outcomes[:_LOST_SHOWN]:
            complain(outcome.reason)
        if more := outcomes[_LOST_SHOWN:]:
            complain(f"the results of {len(more)} more scans were removed as well")

    def all(self, *, see_table: bool) -> None:
        states, n, reached = self.summary.states, len(self.summary.items), len(self.summary.outcomes)
        if reached < n:
            complain(
                f"stopped after {reached} of {n} scans, nothing more can be written: run it again when it can"
            )
        if states["failed"] and not self.summary.single:
            see = f": see {self.summary.output / 'failed.tsv'}" if see_table else ""
            complain(f"{states['failed']} of {n} scans failed{see}")
        if left := states["busy"]:
            complain(f"{left} {'scan' if left == 1 else 'scans'} left to another run: run it again to check")
