"""What the numbers of a parcellation mean: DLMUSE's, and FreeSurfer's, which many others use too."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.int16]
GROUPS = (  # of nuclei whose contrast differs from the cortex's: group n is GROUPS[n − 1]
    "thalamus",
    "putamen",
    "caudate and accumbens",
    "pallidum",
    "brain stem and ventral diencephalon",
    "cerebellar cortex",
    "cerebellar white matter",
    "amygdala and hippocampus",
)


@dataclass(frozen=True, eq=False)
class Scheme:
    """One numbering.

    Parameters
    ----------
    name : str
        Of the numbering.
    groups : eight tuples of int
        Labels of each of `GROUPS`.
    white, fluid, cortex : frozenset of int
        Labels of the brain's other tissue.
    ventricles : frozenset of int
        Labels of the lateral and third ventricles, which widen with age.
    other : frozenset of int
        Labels of the brain that are none of these.
    outside : frozenset of int
        Labels beyond the brain.
    sides : tuple of (int, int)
        Pairs of labels, right and left.
    """

    name: str
    groups: tuple[tuple[int, ...], ...]
    white: frozenset[int]
    fluid: frozenset[int]
    ventricles: frozenset[int]
    cortex: frozenset[int]
    other: frozenset[int]
    outside: frozenset[int]
    sides: tuple[tuple[int, int], ...]

    @cached_property
    def brain(self) -> frozenset[int]:
        """Labels of the brain."""
        return self.white.union(self.fluid, self.cortex, self.other, *self.groups)

    @cached_property
    def known(self) -> frozenset[int]:
        """All labels; 0 is the background."""
        return self.brain | self.outside | {0}

    def group_of(self, labels: Labels) -> npt.NDArray[np.uint8]:
        """Number of the group of nuclei (1 to 8) of each voxel, else 0.

        Parameters
        ----------
        labels : int array
            Labels, or a parcellation of any shape.
        """
        table = np.zeros(1 + max(self.known), np.uint8)
        for number, members in enumerate(self.groups):
            table[list(members)] = number + 1
        return table[labels]

    def swapped(self, labels: Labels) -> Labels:
        """Left for right and right for left, as a flipped head needs it.

        Parameters
        ----------
        labels : int array
            Labels, or a parcellation of any shape.
        """
        table = np.arange(1 + max(self.known), dtype=np.int16)
        right, left = np.array(self.sides).T
        table[right], table[left] = left, right
        return table[labels]


# NiChart's DLMUSE; 100 to 207 are cortical, in pairs of right and left
_DLMUSE_CORTEX = tuple(
    n for n in range(100, 208) if n not in {110, 111, 126, 127, 130, 131, 158, 159, 188, 189}
)
DLMUSE = Scheme(
    name="dlmuse",
    groups=(
        (59, 60),
        (57, 58),
        (36, 37, 23, 30),
        (55, 56),
        (35, 61, 62),
        (38, 39, 71, 72, 73),
        (40, 41),
        (31, 32, 47, 48),
    ),
    white=frozenset(range(81, 89)),
    fluid=frozenset((4, 11, 49, 50, 51, 52)),
    ventricles=frozenset((4, 49, 50, 51, 52)),
    cortex=frozenset(_DLMUSE_CORTEX),
    other=frozenset((1, 46, 69, 75, 76, *range(89, 96))),  # 46, 69: not in its table, but in its maps
    outside=frozenset(),
    sides=(
        (23, 30),
        (31, 32),
        (36, 37),
        (38, 39),
        (40, 41),
        (47, 48),
        (49, 50),
        (51, 52),
        (76, 75),
        *((n, n + 1) for n in (55, 57, 59, 61, *range(81, 95, 2))),
        *((n, n + 1) for n in _DLMUSE_CORTEX[::2]),
    ),
)

# right and left of FreeSurfer's lookup table: cortex of the Desikan-Killiany and DKT atlases, which SynthSeg
# and FastSurfer use too, and of the Destrieux atlas (aparc.a2009s+aseg); white matter of wmparc
_CORTEX = (
    *((2000 + n, 1000 + n) for n in range(36)),
    *((12100 + n, 11100 + n) for n in range(76)),
)
_WHITE = (
    *((4000 + n, 3000 + n) for n in range(36)),
    *((14100 + n, 13100 + n) for n in range(76)),
    (5002, 5001),
)
FREESURFER = Scheme(  # whole heads: beyond 500 lies what SAMSEG's atlas of the head knows
    name="freesurfer",
    groups=(
        (10, 49, 9, 48),
        (12, 51),
        (11, 50, 26, 58),
        (13, 52),
        (16, 28, 60, 27, 59, 173, 174, 175, 178),
        (8, 47),
        (7, 46),
        (17, 18, 53, 54),
    ),
    white=frozenset((2, 41, 77, 78, 79, 25, 57, 85, 192, *range(250, 256), *(n for p in _WHITE for n in p))),
    fluid=frozenset((4, 5, 14, 15, 43, 44, 72)),
    ventricles=frozenset((4, 5, 14, 31, 43, 44, 63, 72)),  # with the plexus in them
    cortex=frozenset((3, 42, *(n for p in _CORTEX for n in p))),
    other=frozenset((30, 62, 31, 63, 136, 163, 137, 164, 80, 81, 82)),  # vessels, choroid plexus, spots
    outside=frozenset((24, 502, 506, 507, 508, 509, 511, 512, 514, 515, 516, 530)),
    sides=(
        (41, 2),
        (42, 3),
        (43, 4),
        (44, 5),
        (46, 7),
        (47, 8),
        (49, 10),
        (50, 11),
        (51, 12),
        (52, 13),
        (53, 17),
        (54, 18),
        (57, 25),
        (58, 26),
        (60, 28),
        (62, 30),
        (63, 31),
        (163, 136),
        (164, 137),
        (79, 78),
        (48, 9),
        (59, 27),
        (82, 81),
        *_CORTEX,
        *_WHITE,
    ),
)
# of a scan: the labels end at the brain, and 24, the fluid around it, is within (as DLMUSE's 1 is)
ASEG = replace(
    FREESURFER,
    name="aseg",
    other=FREESURFER.other | {24},
    outside=frozenset((130, 165, 257, 258, 259)),  # of the head that some tools label roughly
)
SCHEMES = {s.name: s for s in (DLMUSE, FREESURFER, ASEG)}
