"""Many scans: what is to be done, what is finished, doing it, and the tables of all."""

from .cluster import ClusterError, run_on_dask
from .inputs import Item, expand, names_of, names_one, shard_of, slurm_shard
from .tables import update_tables, write_summary, write_tables
from .work import Outcome, Settings, run

__all__ = [
    "ClusterError",
    "Item",
    "Outcome",
    "Settings",
    "expand",
    "names_of",
    "names_one",
    "run",
    "run_on_dask",
    "shard_of",
    "slurm_shard",
    "update_tables",
    "write_summary",
    "write_tables",
]
