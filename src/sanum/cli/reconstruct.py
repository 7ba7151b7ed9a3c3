"""`sanum reconstruct`: the main job for one scan or many."""

import importlib.util
import os
import re
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .messages import Progress, complain, steady_stderr
from .threads import use_threads

if TYPE_CHECKING:
    from ..cohort import Item, Outcome
    from ..cohort.work import State
    from ..methods.common.anatomy import Predictor

EXAMPLE = "Example:  sanum reconstruct sub-1_T1w.nii.gz sub-1_FLAIR.nii.gz -o out/"


class Space(StrEnum):
    """Grid of the outputs."""

    input = "input"
    one_mm = "1mm"


class Composition(StrEnum):
    """What the anatomy shows."""

    anatomy = "anatomy"
    keep_healthy = "keep-healthy"
    keep_lesion = "keep-lesion"


class Executor(StrEnum):
    """Who does the work."""

    here = "here"
    dask = "dask"


def command(
    scans: Annotated[
        list[Path],
        typer.Argument(
            metavar="SCAN...",
            help="NIfTI, MGH/MGZ, NRRD, MHA, or a DICOM folder; a folder of scans (searched), "
            "a list of paths (.tsv), or - for paths on standard input.",
        ),
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results; made if missing.")],
    space: Annotated[
        Space, typer.Option(help="Grid of the results: the scan's own, or 1 mm isotropic.")
    ] = Space.input,
    compose: Annotated[
        Composition,
        typer.Option(
            help="The predicted anatomy; of a T1w also its own healthy tissue, only the anomaly replaced; "
            "or the predicted anatomy with the anomaly put back."
        ),
    ] = Composition.anatomy,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:n or mps.")] = "auto",
    threads: Annotated[int, typer.Option(help="CPU threads; 0: all.", min=0)] = 0,
    mem_gb: Annotated[
        float | None,
        typer.Option(
            help="Memory that may be used, in GB (of Dask by each worker): the network then runs in slabs, "
            "or on the CPU, and larger scans fail. Default: what is free, as a goal.",
            min=0.1,
        ),
    ] = None,
    volume: Annotated[
        int | None, typer.Option(help="Which volume of a 4D image, counted from 0.", min=0)
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Other weights than the shipped ones: a file, or a name of sanum weights list.",
        ),
    ] = None,
    shard: Annotated[
        str | None, typer.Option(help="Part i/n of the scans, from 1; auto: of a SLURM array's task.")
    ] = None,
    executor: Annotated[
        Executor, typer.Option(help="This process, or the workers of Dask (pip install 'sanum[cluster]').")
    ] = Executor.here,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler; default: --workers of this machine.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Dask processes on this machine.", min=1)] = 2,
    report: Annotated[bool, typer.Option("--report/--no-report", help="Write the HTML reports.")] = True,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace results that exist; without it, finished scans are kept."),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress, only results and errors.")
    ] = False,
) -> None:
    """Reconstruct the healthy anatomy behind SCAN..., with an anomaly map and an uncertainty map.

    Started again, it does what is not finished. Exit code: 0 all done, 1 some of several scans failed or
    were left to another run, 2 wrong use or a single scan that failed.
    """
    from ..cohort import ClusterError, Settings, expand, names_of, names_one, run, run_on_dask, shard_of
    from ..scan import ScanError
    from ..weights.store import resolve

    try:
        items = expand(scans, output, _read_stdin() if Path("-") in scans else b"")
        part = part_of(shard, len(items))
        predictor = load(device, threads, weights, mem_gb)
        if executor is Executor.dask:
            _require_dask()
        elif scheduler is not None:
            raise ValueError("--scheduler goes with --executor dask")
    except (ScanError, ValueError, OSError, MemoryError) as error:
        complain(str(error) or "not enough memory to load the network")
        raise typer.Exit(2) from None
    single = names_one(scans, items)
    settings = Settings(
        space.value, compose.value, volume, overwrite=overwrite, report=report, keep_failures=not single,
        memory=in_bytes(mem_gb),
    )  # fmt: skip
    jobs = shard_of(items, *part)
    names = names_of(jobs)
    with steady_stderr(), terminated_as_interrupted(), Progress(len(jobs), quiet=quiet) as progress:
        if executor is Executor.dask:
            how = (device, threads or share(workers), weights and resolve(weights).absolute(), mem_gb)
            work = run_on_dask(jobs, output, load, how, settings, scheduler=scheduler, workers=workers)
        else:
            work = run(
                jobs, output, predictor, settings,
                on_step=lambda item, step: progress.step(names[item], step),
            )  # fmt: skip
        try:
            Run(jobs, part, output, predictor, single=single).all(work, progress)
        except ClusterError as error:
            complain(str(error))
            raise typer.Exit(2) from None


def load(device: str, threads: int, weights: str | Path | None, mem_gb: float | None) -> "Predictor":
    """The method, on so many CPU threads (0: what they choose), in a process of so many gigabytes."""
    from ..cohort.memory import BASE
    from ..learn.devices import resolve_device
    from ..methods import registry

    use_threads(threads)
    room = None if mem_gb is None else max(int(mem_gb * 1e9) - BASE, 0)
    predictor: Predictor = registry.load(device=resolve_device(device), weights=weights, room=room)
    return predictor


def in_bytes(gb: float | None) -> int | None:
    """Gigabytes of 10⁹ bytes in bytes."""
    return None if gb is None else int(gb * 1e9)


def _read_stdin() -> bytes:
    if sys.stdin is None:
        raise ValueError(
            "- stands for paths on standard input, which is closed: pipe them in, or name a list"
        )
    return sys.stdin.buffer.read()


def _require_dask() -> None:
    if importlib.util.find_spec("distributed") is None:
        raise ValueError("--executor dask needs Dask: pip install 'sanum[cluster]'")


def share(workers: int) -> int:
    """CPU threads of each of so many processes on this machine."""
    return max((os.cpu_count() or 1) // workers, 1)


def part_of(shard: str | None, count: int) -> tuple[int, int]:
    """Which part of the scans, from 1, of how many; ValueError for what is none."""
    from ..cohort import slurm_shard

    if shard is None:
        if count > 1 and os.environ.get("SLURM_ARRAY_TASK_COUNT", "1") != "1":
            complain(
                "note: this task of a SLURM array takes all scans; pass --shard auto to take its part of them"
            )
        return 1, 1
    if shard == "auto":
        slurm = slurm_shard(os.environ)
        if slurm is None:
            raise ValueError("--shard auto needs a SLURM array (sbatch --array=1-n): pass --shard i/n")
        if count > 1 and slurm == (1, 1):
            complain(
                "note: this SLURM array is of one task, which takes all scans; to do one part again, pass "
                "--shard i/n with the n of before"
            )
        return slurm
    number, _, parts = shard.partition("/")
    if not (number.isdecimal() and parts.isdecimal() and 1 <= int(number) <= int(parts)):
        raise ValueError(f'--shard is i/n with i from 1 to n, or auto, not "{shard}"')
    return int(number), int(parts)


@contextmanager
def terminated_as_interrupted() -> Iterator[None]:
    """Let SIGTERM, which clusters send before they kill, end the run as Ctrl-C does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Run:
    """One run of the command: its scans, what it prints of them, and the files about all of them."""

    def __init__(
        self,
        items: "list[Item]",
        part: tuple[int, int],
        output: Path,
        predictor: "Predictor",
        *,
        single: bool,
    ) -> None:
        from ..cohort import names_of

        self.items, self.part, self.output, self.predictor = items, part, output, predictor
        self.single, self.began, self.outcomes = single, time.monotonic(), list["Outcome"]()
        self.names, self.told = names_of(items), set[str]()

    def all(self, work: "Generator[Outcome]", progress: Progress) -> None:
        """Do every scan; `typer.Exit` with the code if anything failed."""
        try:
            with closing(work):
                for outcome in work:
                    self.outcomes.append(outcome)
                    self._tell(outcome, progress)
        finally:
            files_are_whole = self._write_files()
        states = Counter(outcome.state for outcome in self.outcomes)
        self._tell_all(states, see_table=files_are_whole)
        if states["failed"] or not files_are_whole:
            raise typer.Exit(2 if self.single else 1)
        if states["done"] + states["finished"] < len(self.items):
            raise typer.Exit(1)

    def _tell(self, outcome: "Outcome", progress: Progress) -> None:
        from ..scan.names import printable

        name = self.names[outcome.item]
        told = {"finished": "finished before", "busy": "left to another run that has it"}.get(outcome.state)
        progress.ended(name, told, outcome.seconds if outcome.state == "done" else None)
        if outcome.reason:
            told_apart = name == outcome.item.path.name or outcome.item.problem
            complain(outcome.reason if told_apart else f"{printable(name)}: {outcome.reason}")
        if outcome.otherwise not in self.told | {""}:
            self.told.add(outcome.otherwise)
            complain(f"note: results made otherwise ({outcome.otherwise}): done again")
        if record := outcome.record:
            result = printable(self.output / outcome.item.place / record["outputs"][-1])
            typer.echo(f"{result}\tanomaly {record['anomaly_ml']:.1f} mL\tbrain {record['brain_ml']:.0f} mL")
            if outcome.state == "done":
                for warning in record["warnings"]:
                    complain(f"{printable(name)}: {warning}")

    def _tell_all(self, states: "Counter[State]", *, see_table: bool) -> None:
        n, reached = len(self.items), len(self.outcomes)
        if reached < n:
            complain(
                f"stopped after {reached} of {n} scans, nothing more can be written: run it again when it can"
            )
        if states["failed"] and not self.single:
            see = f": see {self.output / 'failed.tsv'}" if see_table else ""
            complain(f"{states['failed']} of {n} scans failed{see}")
        if left := states["busy"]:
            complain(f"{left} {'scan' if left == 1 else 'scans'} left to another run: run it again to check")

    def _write_files(self) -> bool:
        """Write `run.json` and, of several scans, the tables; returns whether that went well."""
        from ..cohort import update_tables, write_summary
        from ..scan import ScanError

        done = [outcome for outcome in self.outcomes if outcome.state == "done"]
        if self.single and not done:
            return True
        if not self.outcomes and not self.output.is_dir():
            return True  # interrupted before the first was done, or told of
        number, parts = self.part
        name = "run.json" if parts == 1 else f"run-{number}of{parts}.json"
        try:
            write_summary(self.output, name, self._summary())
            if not self.single or (self.output / "volumes.tsv").exists():
                update_tables(self.output)
        except ScanError as error:
            complain(str(error))
            return False
        return True

    def _summary(self) -> dict[str, Any]:
        from .. import __version__

        place = {item: n for n, item in enumerate(self.items)}
        return {
            "version": __version__,
            "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            "weights": self.predictor.weights_name,
            "weights_sha256": self.predictor.weights_sha256,
            "device": self.predictor.device,
            "seconds": round(time.monotonic() - self.began, 1),
            "peak_memory_mb": round(peak_memory() / 2**20),
            "memory": self._memory(),
            "scans": [_entry(outcome) for outcome in sorted(self.outcomes, key=lambda o: place[o.item])],
        }

    def _memory(self) -> dict[str, Any]:
        """How the network runs, and every step that was taken so that it fits."""
        plan = self.predictor.memory_plan
        steps = [step for outcome in self.outcomes for step in outcome.memory]
        return {
            "network": None if plan is None else str(plan.step),
            "steps": list(dict.fromkeys(steps)),
        }


def peak_memory() -> int:
    """Most bytes that this process had in memory."""
    with suppress(OSError, AttributeError, TypeError):  # getrusage counts the process that started this one
        return int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1]) * 1024  # type: ignore[index]
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def _entry(outcome: "Outcome") -> dict[str, Any]:
    """What `run.json` says of a scan."""
    record = outcome.record
    return {
        "input": str(outcome.item.path),
        "state": outcome.state,
        "error": outcome.reason or None,
        "seconds": round(outcome.seconds, 1),
        "memory": list(outcome.memory),
        "outputs": [str(outcome.item.place / name) for name in record.get("outputs", [])],
        "warnings": record.get("warnings", []),
        **{key: record[key] for key in ("contrast", "anomaly_ml", "brain_ml") if key in record},
    }
