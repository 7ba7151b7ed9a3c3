"""Many items of any job: what is to be done, what is finished, doing it, and the tables of all."""

from .cluster import SchedulerAt, run_on_dask
from .inputs import Item, NothingToDo, expand, names_of, names_one
from .job import Job, PlainResources, job_of
from .outcome import ItemOutcome, RunSettings
from .runner import run
from .shards import part_of, shard_of, slurm_shard
from .summary import RunSummary
from .tables import update_tables, write_summary, write_tables
from .worker import ClusterError, threads_of_worker

__all__ = [
    "ClusterError",
    "Item",
    "ItemOutcome",
    "Job",
    "NothingToDo",
    "PlainResources",
    "RunSettings",
    "RunSummary",
    "SchedulerAt",
    "expand",
    "job_of",
    "names_of",
    "names_one",
    "part_of",
    "run",
    "run_on_dask",
    "shard_of",
    "slurm_shard",
    "threads_of_worker",
    "update_tables",
    "write_summary",
    "write_tables",
]
