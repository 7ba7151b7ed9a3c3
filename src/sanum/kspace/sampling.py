"""Which lines are measured in which frame: lattices, random lines of variable density, and what a mask is.

Lattice: Tsao, Boesiger and Pruessmann, Magn Reson Med 50:1031, 2003 (k-t BLAST and k-t SENSE).
"""

from dataclasses import dataclass

import numpy as np
import torch

STEPS = {2: 1, 3: 1, 4: 1, 5: 2, 6: 1, 7: 2, 8: 3, 9: 2, 10: 3}
"""Lines that the lattice moves on from frame to frame, by acceleration; they share no divisor with it."""


@dataclass(frozen=True)
class LineLattice:
    """A mask that is a lattice: line k of frame t is measured where k ≡ shift + step · t (mod acceleration).

    Parameters
    ----------
    acceleration : int
        R; 1 where every line is measured.
    step, shift : int
        See above.
    always : tuple of int
        Further lines, measured in every frame, around the centre.
    """

    acceleration: int
    step: int
    shift: int
    always: tuple[int, ...] = ()

    def mask(self, frames: int, lines: int) -> torch.Tensor:
        """(T, Y) bool: the lattice without its further lines.

        Parameters
        ----------
        frames, lines : int
            T, Y.
        """
        first = (self.shift + self.step * torch.arange(frames)) % self.acceleration
        return torch.arange(lines)[None] % self.acceleration == first[:, None]


def lattice(frames: int, lines: int, acceleration: int, *, shift: int = 0, always: int = 0) -> torch.Tensor:
    """(T, Y) bool: a sheared grid of lines, of which R frames in a row cover all.

    Parameters
    ----------
    frames, lines : int
        T, Y.
    acceleration : int
        R, from 2 to 10.
    shift : int
        First line of the first frame.
    always : int
        Lines around the centre that every frame has as well.

    Raises
    ------
    ValueError
        There is no lattice of this acceleration.
    """
    if acceleration not in STEPS:
        raise ValueError(f"a lattice has an acceleration from 2 to 10, got {acceleration}")
    mask = LineLattice(acceleration, STEPS[acceleration], shift).mask(frames, lines)
    mask[:, _centre(lines, always)] = True
    return mask


def variable_density(
    frames: int,
    lines: int,
    acceleration: float,
    *,
    rng: np.random.Generator,
    always: int = 4,
    power: float = 2.0,
) -> torch.Tensor:
    """(T, Y) bool: in each frame the centre, and other lines by chance, fewer the farther out.

    Parameters
    ----------
    frames, lines : int
        T, Y.
    acceleration : float
        R: each frame has round(Y / R) lines.
    rng : Generator
        Of the lines.
    always : int
        Lines around the centre that every frame has.
    power : float
        Chance ∝ (1 − |k| / k_max)^power.

    Raises
    ------
    ValueError
        The centre alone has more lines than a frame may have.
    """
    each = round(lines / acceleration)
    if not 0 <= always <= each <= lines:
        raise ValueError(
            f"acceleration {acceleration:g} leaves {each} of {lines} lines: expected at least {always}, "
            "those of the centre"
        )
    centre = _centre(lines, always)
    distance = np.abs(np.arange(lines) - lines // 2) / (lines // 2 + 1)
    chance = (1 - distance) ** power
    chance[centre] = 0
    mask = torch.zeros(frames, lines, dtype=torch.bool)
    mask[:, centre] = True
    for frame in mask:
        frame[rng.choice(lines, each - always, replace=False, p=chance / chance.sum())] = True
    return mask


def lattice_of(mask: torch.Tensor) -> LineLattice | None:
    """The lattice that a mask is, with or without lines that all frames have; None: it is none.

    Parameters
    ----------
    mask : (T, Y) bool tensor
        Lines that are measured.
    """
    frames, lines = mask.shape
    always = mask.all(0)
    if bool(always.all()):
        return LineLattice(1, 0, 0)
    k = torch.arange(lines, device=mask.device)
    others = mask & ~always
    for acceleration in range(2, lines + 1):
        shifts = []
        for frame, seen in zip(mask, others, strict=True):
            found = torch.nonzero(seen)
            if len(found) == 0:
                break
            shift = int(found[0]) % acceleration
            if not torch.equal(frame, (k % acceleration == shift) | always):
                break
            shifts.append(shift)
        if len(shifts) == frames:
            step = (shifts[1] - shifts[0]) % acceleration if frames > 1 else 0
            if all(s == (shifts[0] + step * t) % acceleration for t, s in enumerate(shifts)):
                return LineLattice(acceleration, step, shifts[0], tuple(torch.nonzero(always)[:, 0].tolist()))
            return None
    return None


def _centre(lines: int, count: int) -> slice:
    first = lines // 2 - count // 2
    return slice(first, first + count)
