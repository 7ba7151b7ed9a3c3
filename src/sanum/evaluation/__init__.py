"""Methods measured on cases of which something is known; the tables and the figure that show it."""

from .run import EvaluationSummary, measure
from .task import Task, Trial
from .tasks.anatomy import (
    ORACLES,
    Case,
    HealthyAnatomy,
    Mismatch,
    Oracle,
    Sliced,
    chosen,
    find_cases,
    worth_measuring,
)
from .write import write_results

__all__ = [
    "ORACLES",
    "Case",
    "EvaluationSummary",
    "HealthyAnatomy",
    "Mismatch",
    "Oracle",
    "Sliced",
    "Task",
    "Trial",
    "chosen",
    "find_cases",
    "measure",
    "worth_measuring",
    "write_results",
]
