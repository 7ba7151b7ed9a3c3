"""What a training may cost: methods that are compared get the same network, box, samples and steps."""

from dataclasses import dataclass, field

from ...learn.schedule import LoopConfig
from ...space.box import Box
from ...synth.box import DEFAULT_BOX


@dataclass(frozen=True)
class TrainingBudget:
    """Fields of an `AnatomyRecipe` that decide how much its training costs: `**vars(budget)` hands them on.

    Parameters
    ----------
    widths : tuple of int
        Feature maps of each level of the network.
    box : Box
        Of the samples.
    seed : int
        Of the samples and of the initial weights.
    batch_size : int
        Samples of a step.
    flipped_too : bool
        Each sample serves twice, the second time left-right flipped.
    loop : LoopConfig
        Steps, and the schedule of the learning rate.
    """

    widths: tuple[int, ...] = (32, 64, 128, 192)
    box: Box = DEFAULT_BOX
    seed: int = 1
    batch_size: int = 1
    flipped_too: bool = True
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=30_000, warmup=200))


COMPACT = TrainingBudget()
"""Of `una-compact`: hours on a few cores."""

SMALL = TrainingBudget(
    widths=(16, 32, 64), box=Box((40, 48, 40), 4.0), loop=LoopConfig(steps=2_500, warmup=100)
)
"""Of `una-small`: a hundredth of the work of COMPACT, minutes; for comparisons of one recipe with another."""
