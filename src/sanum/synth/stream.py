"""Endless training samples: item i of a run is a function of (run seed, i) and nothing else."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numba
import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from ..scan.conform import MODEL_SHAPE
from .anatomy import Anatomy
from .generator import apply_sample, draw_sample

Item = dict[str, torch.Tensor]


class Stream(IterableDataset[Item]):
    """Samples of run `seed`, from item `start` on, shared out among loader workers without repeats.

    Each item: image (2, X, Y, Z), t1w, p, lesion, brain (1, X, Y, Z); float32.

    Parameters
    ----------
    crop : (3,) int, optional
        Cut `crops` random boxes of this shape out of each sample: item i is box i mod crops of sample i div crops.
    """

    def __init__(
        self, anatomies: Sequence[Anatomy], bank: Sequence[Path], *, seed: int, start: int = 0,
        crop: tuple[int, int, int] | None = None, crops: int = 1,
    ) -> None:  # fmt: skip
        if not anatomies:
            raise ValueError("a stream needs at least one anatomy")
        if crop is None and crops != 1:
            raise ValueError("crops needs the shape of a crop")
        self.anatomies, self.bank, self.seed, self.start = list(anatomies), list(bank), seed, start
        self.crop, self.crops = crop, crops

    def sample(self, index: int) -> Item:
        """Whole sample number `index`."""
        rng = np.random.default_rng([self.seed, index])
        anatomy = self.anatomies[int(rng.integers(len(self.anatomies)))]
        sample = apply_sample(anatomy, draw_sample(rng, anatomy, self.bank))
        return {
            "image": torch.from_numpy(sample.image),
            **{
                name: torch.from_numpy(np.ascontiguousarray(getattr(sample, name), dtype=np.float32))[None]
                for name in ("t1w", "p", "lesion", "brain")
            },
        }

    def box(self, index: int) -> tuple[slice, ...]:
        """Box of item `index`; even corners, so that crops fall on the same space-to-depth lattice."""
        rng = np.random.default_rng([self.seed, index, 1])
        assert self.crop is not None
        corners = [2 * int(rng.integers((n - c) // 2 + 1)) for n, c in zip(MODEL_SHAPE, self.crop, strict=True)]
        return (slice(None), *(slice(o, o + c) for o, c in zip(corners, self.crop, strict=True)))

    def item(self, index: int) -> Item:
        """Item number `index`."""
        whole = self.sample(index // self.crops)
        return whole if self.crop is None else _cut(whole, self.box(index))

    def __iter__(self) -> Iterator[Item]:
        """From `start` on, without end."""
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        if info:
            torch.set_num_threads(1)  # the other cores train
            numba.set_num_threads(1)
        first = self.start // self.crops
        number = first + worker
        while True:
            whole = self.sample(number)
            for index in range(max(number * self.crops, self.start if number == first else 0), (number + 1) * self.crops):
                yield whole if self.crop is None else _cut(whole, self.box(index))
            number += workers


def _cut(item: Item, box: tuple[slice, ...]) -> Item:
    return {k: v[box].contiguous() for k, v in item.items()}
