"""What this process has of its machine: cores, and the most memory that it took."""

import os
import re
import resource
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_ASKED_FOR = ("SLURM_CPUS_PER_TASK", "NSLOTS", "NCPUS")
"""Cores that a job of SLURM, SGE and PBS asked for, where the scheduler does not hold it to them."""


def peak_memory() -> int:
    """Most bytes that this process had in memory."""
    with suppress(OSError, AttributeError, TypeError):  # getrusage counts the process that started this one
        return int(re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())[1]) * 1024  # type: ignore[index]
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def own_cores(environment: Mapping[str, str] = os.environ) -> int:
    """Cores that this process may use: those it is bound to, or fewer if its job asked for fewer.

    Parameters
    ----------
    environment : mapping of str to str
        Variables of the job.
    """
    try:
        bound = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        bound = os.cpu_count() or 1
    asked = [int(environment[name]) for name in _ASKED_FOR if environment.get(name, "").isdecimal()]
    return max(1, min([bound, *asked]))
