"""How fast a training goes, and how much of its time it waits for data."""

import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from .step import Batch

PACE_STEPS = 50  # over which the speed is averaged


@dataclass(frozen=True)
class TrainingProgress:
    """What a caller may show after a step.

    Parameters
    ----------
    step : int
        Steps done.
    steps : int
        Steps of the whole training.
    values : dict of float
        Loss and its terms, means over all processes. With several turns each name begins with its turn's.
    seconds_per_step : float
        Mean of the last 50 steps.
    samples_per_second : float
        Over all processes, in the last 50 steps.
    waiting : float
        Share of the time spent waiting for data, in the last 50 steps.
    """

    step: int
    steps: int
    values: dict[str, float]
    seconds_per_step: float
    samples_per_second: float
    waiting: float

    @property
    def seconds_left(self) -> float:
        """Estimate of the time left."""
        return (self.steps - self.step) * self.seconds_per_step


@dataclass
class Pace:
    """Clock of a training.

    Parameters
    ----------
    laps : deque of (float, float)
        Seconds of each of the last steps, and how many of them were spent waiting for data.
    began : float
        When the step under way began, in seconds of the monotonic clock.
    waited : float
        Seconds that the step under way has waited so far.
    """

    laps: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=PACE_STEPS))
    began: float = field(default_factory=time.monotonic)
    waited: float = 0.0

    def timed(self, source: Iterator[Batch], count: int) -> Iterator[Batch]:
        """The next batches; waiting for them is timed.

        Parameters
        ----------
        source : iterator of dict
            Endless.
        count : int
            How many.
        """
        for _ in range(count):
            began = time.monotonic()
            (batch,) = islice(source, 1)
            self.waited += time.monotonic() - began
            yield batch

    def lap(self) -> None:
        """Note that a step has ended."""
        now = time.monotonic()
        self.laps.append((now - self.began, self.waited))
        self.began, self.waited = now, 0.0

    @property
    def seconds_per_step(self) -> float:
        """Mean of the last steps."""
        return sum(s for s, _ in self.laps) / len(self.laps)

    @property
    def waiting(self) -> float:
        """Share of the time of the last steps."""
        return sum(w for _, w in self.laps) / sum(s for s, _ in self.laps)
