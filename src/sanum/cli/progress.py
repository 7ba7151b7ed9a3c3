"""Progress on stderr: a line per item of a batch, and one bar for everything else."""

import sys
import time

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .messages import complain

_LINE_EVERY_S = 60.0


class ProgressBar:
    """A bar for each task on a terminal; elsewhere a line a minute, and one when a task is complete.

    Parameters
    ----------
    *tasks : str
        Names of the tasks, as the bars show them at first.
    quiet : bool
        Show nothing.
    """

    def __init__(self, *tasks: str, quiet: bool) -> None:
        console = Console(stderr=True)
        self.has_lines = not quiet and not console.is_terminal
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.bar = Progress(*columns, console=console, disable=quiet or self.has_lines)
        self.tasks = {task: self.bar.add_task(escape(task), total=None) for task in tasks}
        self.last_line = 0.0

    def __enter__(self) -> "ProgressBar":
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def update(self, task: str, done: int, total: int, line: str, *, description: str | None = None) -> None:
        """Show how far a task is.

        Parameters
        ----------
        task : str
            Its name.
        done, total : int
            Of how many things.
        line : str
            The same in words, where there is no terminal.
        description : str, optional
            What the bar shows from now on; default its name.
        """
        self.bar.update(
            self.tasks[task], completed=done, total=total, description=escape(description or task)
        )
        due = done == total or time.monotonic() - self.last_line > _LINE_EVERY_S
        if self.has_lines and due:
            self.last_line = time.monotonic()
            complain(line)


class ItemProgress:
    """One item after the other: a spinner on a terminal, and a line per item.

    Parameters
    ----------
    count : int
        Items in all.
    quiet : bool
        Show nothing.
    """

    def __init__(self, count: int, *, quiet: bool) -> None:
        self.count, self.quiet, self.ended_n, self.worked_n = count, quiet, 0, 0
        self.began = time.monotonic()
        console = Console(stderr=True)
        self.status = console.status("") if console.is_terminal and not quiet else None

    def __enter__(self) -> "ItemProgress":
        return self

    def __exit__(self, *_: object) -> None:
        if self.status:
            self.status.stop()

    def step(self, name: str, step: str) -> None:
        """Name the step that begins of the item that is computed.

        Parameters
        ----------
        name : str
            What to call the item.
        step : str
            What begins.
        """
        if self.status:
            self.status.update(f"{escape(self._label(name))}: {step} ({time.monotonic() - self.began:.0f} s)")
            self.status.start()

    def ended(self, name: str, state: str | None, seconds: float | None) -> None:
        """Print a line for an item: how long it took, or its state; nothing of one that failed.

        Parameters
        ----------
        name : str
            What to call the item.
        state : str or None
            What became of it, if it was not done now.
        seconds : float or None
            How long it took, if it was.
        """
        label = self._label(name)
        self.ended_n += 1
        if self.status:
            self.status.stop()
        if seconds is not None:
            self.worked_n += 1
            state = f"done in {seconds:.1f} s{self._left()}"
        if state and not self.quiet:
            print(f"{label}: {state}", file=sys.stderr)  # noqa: T201

    def _label(self, name: str) -> str:
        name = "".join(c if c.isprintable() else "?" for c in name)
        return name if self.count == 1 else f"[{self.ended_n + 1}/{self.count}] {name}"

    def _left(self) -> str:
        """Time that the other items will take if they go as those so far."""
        left = (self.count - self.ended_n) * (time.monotonic() - self.began) / self.worked_n
        if self.count == self.ended_n:
            return ""
        return f", {left / 60:.0f} min left" if left >= 90 else f", {left:.0f} s left"


def duration(seconds: float) -> str:
    """Hours and minutes in words.

    Parameters
    ----------
    seconds : float
        How long.
    """
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
