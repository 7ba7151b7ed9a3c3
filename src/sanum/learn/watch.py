"""When a training has gone wrong: a loss that is no number, or far beyond what it was."""

import math
from collections import deque
from collections.abc import Iterable
from statistics import median

REMEMBERED = 100  # steps
FEWEST = 20  # before that, nothing is far
FAR = {"loss": 100.0, "gradient's norm": 1000.0}  # times the running median of its size
MOST_SKIPPED = 30  # in a row; float16's scale halves each time, from 65,536


class Watch:
    """Losses and gradient norms of the last steps, and whether a new one fits them.

    Parameters
    ----------
    recent : iterable of [float, float]
        Loss and norm of the last steps.
    scaled : bool
        The loss is scaled (float16): gradients that overflow now and then are expected, and the optimizer
        skips the step.
    leaps : bool
        A loss or norm far beyond what it was is trouble, too.
    """

    def __init__(
        self, recent: Iterable[list[float]] = (), *, scaled: bool = False, leaps: bool = True
    ) -> None:
        self.recent = deque(recent, maxlen=REMEMBERED)
        self.scaled, self.leaps, self.skipped = scaled, leaps, 0

    def trouble(self, loss: float, norm: float) -> str | None:
        """What is wrong with this step, if anything; a step that is right is remembered.

        Parameters
        ----------
        loss : float
            Of the step.
        norm : float
            Of its gradient, before it is clipped.
        """
        if not math.isfinite(loss):
            return f"its loss is {loss}"
        if not math.isfinite(norm):
            self.skipped += 1
            if self.scaled and self.skipped <= MOST_SKIPPED:
                return None
            return f"the norm of its gradient is {norm}"
        self.skipped = 0
        for (name, far), value, past in zip(
            FAR.items(), (loss, norm), zip(*self.recent, strict=True), strict=False
        ):
            usual = median(map(abs, past))
            if self.leaps and len(past) >= FEWEST and abs(value) > far * usual > 0:
                return (
                    f"its {name} is {value:.3g}, more than {far:.0f} times the {usual:.3g} of the last steps"
                )
        self.recent.append([loss, norm])
        return None
