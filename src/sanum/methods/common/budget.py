"""What a training may cost: methods that are compared get the same network, box, samples and steps."""

from dataclasses import dataclass, field

from ...learn.schedule import LoopConfig
from ...synth.box import DEFAULT_BOX
from ...types import Shape


@dataclass(frozen=True)
class Budget:
    """Fields of a `Recipe` that decide how much its training costs: `**vars(budget)` hands them on.

    Parameters
    ----------
    widths : tuple of int
        Feature maps of each level of the network.
    shape : tuple of int
        Box of the samples, in voxels.
    spacing_mm : float
        Of its voxels.
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
    shape: Shape = DEFAULT_BOX.shape
    spacing_mm: float = DEFAULT_BOX.spacing_mm
    seed: int = 1
    batch_size: int = 1
    flipped_too: bool = True
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(steps=30_000, warmup=200))


COMPACT = Budget()
"""Of `una-compact`: hours on a few cores."""

SMALL = Budget(
    widths=(16, 32, 64), shape=(40, 48, 40), spacing_mm=4.0, loop=LoopConfig(steps=2_500, warmup=100)
)
"""Of `una-small`: a hundredth of the work of COMPACT, minutes; for comparisons of one recipe with another."""
