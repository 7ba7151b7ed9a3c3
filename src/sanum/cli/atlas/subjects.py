"""Who does the subjects of an atlas: this process, others of its kind, or workers of Dask."""

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..batch import has_dask
from ..threads import use_threads

if TYPE_CHECKING:
    from ...cohort import Item, ItemOutcome, Job, SchedulerAt
    from ...methods.atlas.population.members import Member

PARTS = {
    "atlas prepare": "preparing",
    "atlas place": "placing",
    "atlas deform": "deforming",
    "atlas measure": "measuring",
}
_LOOK_AGAIN_S = 1.0


@dataclass(frozen=True)
class SubjectsOnDask:
    """Workers of Dask that do the subjects.

    Parameters
    ----------
    scheduler : str, SchedulerAt or None
        One that runs already; None: processes of this machine.
    workers : int
        Processes of this machine.
    threads : int
        CPU threads of each; 0: its own cores.
    """

    scheduler: "str | SchedulerAt | None"
    workers: int
    threads: int

    def __post_init__(self) -> None:
        if not has_dask():
            raise ValueError("--executor dask needs Dask: pip install 'sanum[cluster]'")


@dataclass(frozen=True)
class SubjectRunner:
    """Does a job for every subject, and fails if one cannot be done (`population.build.Do`).

    Parameters
    ----------
    members : sequence of Member
        Of the group.
    told : function
        Called with words, and how many of how many are done.
    dask : SubjectsOnDask or None
        Who does them; None: this process.
    part : (int, int)
        Which part of how many this process begins with; the others' parts come after it, where they are not
        done by then.
    """

    members: "Sequence[Member]"
    told: Callable[[str, int, int], None]
    dask: SubjectsOnDask | None = None
    part: tuple[int, int] = (1, 1)

    def __call__(self, job: Any, folder: Path) -> None:
        """Do it.

        Parameters
        ----------
        job : Job
            Of `population.jobs`.
        folder : Path
            Where its results go.

        Raises
        ------
        ScanError
            A subject could not be done.
        """
        from ...cohort import Item, shard_of
        from ...scan import ScanError

        items = [Item(m.path) for m in self.members]
        own = shard_of(items, *self.part)
        left, wrong = own + [item for item in items if item not in own], list[str]()
        while left:
            ended = []
            for outcome in self._outcomes(left, folder, job):
                ended += [] if outcome.state == "busy" else [outcome.item]
                self.told(PARTS[job.name], len(items) - len(left) + len(ended), len(items))
                wrong += [outcome.reason] if outcome.state == "failed" else []
                if outcome.last:
                    raise ScanError(outcome.reason)
            left = [item for item in left if item not in ended]
            if left:  # another process has them
                time.sleep(_LOOK_AGAIN_S)
        if wrong:
            more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
            raise ScanError(f"{wrong[0]}{more}: mend them, or leave them out")

    def _outcomes(self, items: "list[Item]", folder: Path, job: Any) -> "Generator[ItemOutcome]":
        from ...cohort import RunSettings, run, run_on_dask
        from ...methods.atlas.population.carried import write_job

        if self.dask is None:
            return run(items, folder, job, RunSettings())
        file = write_job(job, folder.parent / "jobs")
        beside = 1 if self.dask.scheduler else self.dask.workers
        how = (str(file.absolute()), self.dask.threads, beside)
        where = {"scheduler": self.dask.scheduler, "workers": self.dask.workers}
        return run_on_dask(items, folder, load_on_worker, how, RunSettings(), **where)  # type: ignore[arg-type]


def load_on_worker(file: str, threads: int, beside: int) -> "Job":
    """A job in a worker of Dask.

    Parameters
    ----------
    file : str
        Of `population.carried.write_job`.
    threads : int
        CPU threads; 0: the worker's cores, shared by its threads of Dask.
    beside : int
        Worker processes that share the machine's cores.
    """
    from ...cohort import PlainResources, threads_of_worker
    from ...methods.atlas.population.carried import read_job

    use_threads(threads or threads_of_worker(beside))
    return read_job(Path(file), PlainResources())
