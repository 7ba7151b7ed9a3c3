"""Parts of a batch: which items a task takes, by number or as a SLURM array's task says."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")


def shard_of(items: Sequence[T], number: int, count: int) -> list[T]:
    """Part `number` of `count`: every `count`-th item, so that parts differ by one at most.

    Parameters
    ----------
    items : sequence
        All.
    number : int
        From 1.
    count : int
        Parts in all.
    """
    return list(items[number - 1 :: count])


def part_of(
    shard: str | None,
    count: int,
    *,
    environment: Mapping[str, str] = os.environ,
    on_note: Callable[[str], None] = lambda _: None,
) -> tuple[int, int]:
    """Which part of the items, from 1, of how many.

    Parameters
    ----------
    shard : str or None
        "i/n", "auto": that of a SLURM array's task, or None: all.
    count : int
        Number of items.
    environment : mapping of str to str
        Variables, among them SLURM's.
    on_note : function
        Called with a note where a task of an array takes all items.

    Raises
    ------
    ValueError
        `shard` is none of these.
    """
    if shard is None:
        if count > 1 and environment.get("SLURM_ARRAY_TASK_COUNT", "1") != "1":
            on_note(
                "note: this task of a SLURM array takes all scans; pass --shard auto to take its part of them"
            )
        return 1, 1
    if shard == "auto":
        slurm = slurm_shard(environment)
        if slurm is None:
            raise ValueError("--shard auto needs a SLURM array (sbatch --array=1-n): pass --shard i/n")
        if count > 1 and slurm == (1, 1):
            on_note(
                "note: this SLURM array is of one task, which takes all scans; to do one part again, pass "
                "--shard i/n with the n of before"
            )
        return slurm
    number, _, parts = shard.partition("/")
    if not (number.isdecimal() and parts.isdecimal() and 1 <= int(number) <= int(parts)):
        raise ValueError(f'--shard is i/n with i from 1 to n, or auto, not "{shard}"')
    return int(number), int(parts)


def slurm_shard(environment: Mapping[str, str]) -> tuple[int, int] | None:
    """Number and count of a SLURM array's task, None outside of an array.

    Parameters
    ----------
    environment : mapping of str to str
        SLURM's variables.

    Raises
    ------
    ValueError
        The array's numbers have gaps or are not all there, so that no part of the work follows from them.
    """
    if "SLURM_ARRAY_TASK_ID" not in environment:
        return None
    numbers = [environment.get(f"SLURM_ARRAY_TASK_{name}", "") for name in ("ID", "MIN", "MAX", "COUNT")]
    if not all(number.isdecimal() for number in numbers):
        raise ValueError("the SLURM array's MIN, MAX and COUNT are not set as expected: pass --shard i/n")
    task, first, last, count = map(int, numbers)
    step = (last - first) // (count - 1) if count > 1 else 1
    if (task - first) % step or first + (count - 1) * step != last:
        raise ValueError("the SLURM array has gaps: expected --array=1-n, or pass --shard i/n")
    return (task - first) // step + 1, count
