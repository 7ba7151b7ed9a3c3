"""What the networks learn from: movies of which few lines are measured, drawn by chance.

A sample is a strip of neighbouring columns, since columns alias by themselves: its phantom, coils, noise and
lines are those of one number.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from ....kspace.coils import made_up
from ....kspace.fourier import fft
from ....kspace.sampling import lattice, variable_density
from ....synth.fetal import draw_fetal, fetal_movie
from ...common.recipe import Batch


@dataclass(frozen=True)
class KtSamplingConfig:
    """How movies are made and measured.

    Parameters
    ----------
    size : int
        Pixels of a made-up slice along y and x.
    frames : int
        T of made-up movies.
    columns : int
        Neighbouring pixels along x of a sample.
    coils : (int, int)
        Least and most coils of made-up movies.
    noise : float
        Largest standard deviation of the noise, of the brightest pixel.
    acceleration : (int, int)
        Least and most R.
    lattices : float
        Share of samples on a lattice; the others have random lines of variable density.
    heart : float
        Share of made-up samples whose strip goes through the heart.
    """

    size: int = 64
    frames: int = 32
    columns: int = 8
    coils: tuple[int, int] = (4, 6)
    noise: float = 0.04
    acceleration: tuple[int, int] = (2, 10)
    lattices: float = 0.7
    heart: float = 0.7

    def __post_init__(self) -> None:
        if not 4 <= self.columns <= self.size:
            raise ValueError(f"columns must be from 4 to {self.size}, the size, got {self.columns}")
        least, most = self.acceleration
        if not 1 <= self.coils[0] <= self.coils[1] or not 2 <= least <= most <= 10:
            raise ValueError("coils are at least 1 and acceleration from 2 to 10, the smaller number first")
        if self.frames < 8 or self.noise < 0 or not (0 <= self.lattices <= 1 and 0 <= self.heart <= 1):
            raise ValueError("expected 8 frames or more, noise of at least 0, and shares from 0 to 1")


def random_mask(frames: int, lines: int, config: KtSamplingConfig, rng: np.random.Generator) -> torch.Tensor:
    """(T, Y) bool: a lattice, with lines of the centre in one of three, or random lines.

    Parameters
    ----------
    frames, lines : int
        T, Y.
    config : KtSamplingConfig
        Accelerations.
    rng : Generator
        Source of randomness.
    """
    times = int(rng.integers(config.acceleration[0], config.acceleration[1] + 1))
    if rng.uniform() < config.lattices:
        always = int(rng.integers(4, 9)) if rng.uniform() < 1 / 3 else 0
        return lattice(frames, lines, times, shift=int(rng.integers(times)), always=min(always, lines))
    return variable_density(frames, lines, times, rng=rng, always=min(4, round(lines / times)))


def made_up_strip(config: KtSamplingConfig, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Columns of a made-up mother and fetus, (T, Y, x), and of coils' maps, (C, Y, x); complex64.

    Parameters
    ----------
    config : KtSamplingConfig
        Size, frames and coils.
    rng : Generator
        Source of randomness.
    """
    fetal, shape = draw_fetal(rng), (config.size, config.size)
    last = config.size - config.columns
    first = int(rng.integers(last + 1))
    if rng.uniform() < config.heart:
        middle = round((fetal.heart.at[1] + 1) / 2 * config.size)
        first = min(max(middle - int(rng.integers(config.columns)), 0), last)
    strip = slice(first, first + config.columns)
    frame_s = float(rng.uniform(0.05, 0.09))
    movie = fetal_movie(fetal, shape, config.frames, frame_s=frame_s, columns=strip)
    coils = int(rng.integers(config.coils[0], config.coils[1] + 1))
    return torch.from_numpy(movie), made_up(coils, shape, rng=rng)[:, :, strip]


def noisy(kspace: torch.Tensor, noise: float, rng: np.random.Generator) -> torch.Tensor:
    """k-space with complex Gaussian noise of this standard deviation.

    Parameters
    ----------
    kspace : complex64 tensor
        Without.
    noise : float
        Standard deviation.
    rng : Generator
        Source of randomness.
    """
    real, imaginary = rng.standard_normal((2, *kspace.shape), np.float32)
    return kspace + noise / 2**0.5 * torch.complex(torch.from_numpy(real), torch.from_numpy(imaginary))


def made_up_sample(config: KtSamplingConfig, rng: np.random.Generator) -> Batch:
    """One made-up sample without a batch's axis: "kspace", "maps", "mask" and "truth".

    Parameters
    ----------
    config : KtSamplingConfig
        How it is drawn.
    rng : Generator
        Source of randomness.
    """
    movie, maps = made_up_strip(config, rng)
    mask = random_mask(movie.shape[0], movie.shape[1], config, rng)
    full = noisy(fft(maps[:, None] * movie, -2), float(rng.uniform(0, config.noise)), rng)
    return {"kspace": full * mask[:, :, None], "maps": maps, "mask": mask, "truth": movie}


def collated(samples: Sequence[Batch]) -> Batch:
    """A batch; coils that a sample lacks are 0.

    Parameters
    ----------
    samples : sequence of dict of tensor
        Of one number of frames, lines and columns.
    """
    most = max(len(one["maps"]) for one in samples)
    whole = {"mask": torch.stack([one["mask"] for one in samples])}
    for name in ("kspace", "maps"):
        sides = (0, 0) * (samples[0][name].ndim - 1)
        whole[name] = torch.stack([F.pad(x[name], (*sides, 0, most - len(x[name]))) for x in samples])
    return whole | {"truth": torch.stack([one["truth"] for one in samples])}
