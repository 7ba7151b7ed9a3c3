"""Progress on stderr: what is done now, with seconds that tick; lines where there is no terminal."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from .messages import complain

_LINE_EVERY_S = 60.0
_PULSE_S = 30.0  # without news


class ProgressBar:
    """A bar for each task on a terminal; elsewhere lines: at first, each minute, when a task is complete.

    Where nothing is new for half a minute, a line says so, and for how long.

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
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self.bar = Progress(*columns, console=console, disable=quiet or self.has_lines)
        self.tasks = {task: self.bar.add_task(escape(task), total=None) for task in tasks}
        self.last_line, self.news, self.newest = 0.0, time.monotonic(), next(iter(tasks))
        self.ended, self.pulse = threading.Event(), threading.Thread(target=self._pulse, daemon=True)

    def __enter__(self) -> "ProgressBar":
        self.bar.start()
        if self.has_lines:
            complain(self.newest)
            self.pulse.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
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
        self.news, self.newest = time.monotonic(), line
        due = done == total or self.news - self.last_line > _LINE_EVERY_S
        if self.has_lines and due:
            self.last_line = self.news
            complain(line)

    def _pulse(self) -> None:
        while not self.ended.wait(_PULSE_S):
            silent = time.monotonic() - max(self.news, self.last_line)
            if silent >= _PULSE_S:
                complain(f"{self.newest}; nothing new for {silent:.0f} s, still at work")


class _StepSeconds(ProgressColumn):
    """How long the step that is shown takes so far."""

    def render(self, task: Task) -> Text:
        return Text(f"{time.monotonic() - task.fields['began']:.0f} s")


class ItemProgress:
    """One item after the other: on a terminal a step and its seconds, with a bar over many; a line per item.

    Parameters
    ----------
    count : int
        Items in all.
    quiet : bool
        Show nothing.
    verbose : bool
        A line for each step too.
    """

    def __init__(self, count: int, *, quiet: bool, verbose: bool = False) -> None:
        self.count, self.quiet, self.ended_n, self.worked_n = count, quiet, 0, 0
        self.has_step_lines = verbose and not quiet
        self.began = time.monotonic()
        console = Console(stderr=True)
        over_many = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()) if count > 1 else ()
        self.bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            _StepSeconds(),
            *over_many,
            console=console,
            disable=quiet or not console.is_terminal,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self.task = self.bar.add_task("computing", total=count, began=self.began)

    def __enter__(self) -> "ItemProgress":
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Take the bar away while others print."""
        self.bar.stop()
        try:
            yield
        finally:
            self.bar.start()

    def step(self, name: str, step: str) -> None:
        """Name the step that begins of the item that is computed.

        Parameters
        ----------
        name : str
            What to call the item.
        step : str
            What begins.
        """
        now, line = time.monotonic(), f"{self._label(name)}: {step}"
        self.bar.update(self.task, description=escape(line), began=now)
        if self.has_step_lines:
            print(f"{line} ({now - self.began:.1f} s after the start)", file=sys.stderr)  # noqa: T201

    def ended(self, name: str, state: str | None, seconds: float | None) -> None:
        """Print a line for an item: how long it took, or its state; nothing of a single one that failed.

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
        self.bar.update(self.task, completed=self.ended_n)
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


@contextmanager
def waiting(what: str, *, quiet: bool) -> Iterator[None]:
    """Show on a terminal what is waited for before the first item.

    Parameters
    ----------
    what : str
        Such as "loading the network".
    quiet : bool
        Show nothing.
    """
    with ItemProgress(1, quiet=quiet) as progress:
        progress.bar.update(progress.task, description=escape(what))
        yield


def duration(seconds: float) -> str:
    """Hours and minutes in words.

    Parameters
    ----------
    seconds : float
        How long.
    """
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
