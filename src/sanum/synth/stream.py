"""Endless training samples: item i of a run is a function of (run seed, i) and nothing else.

A sample may be used twice, the second time left-right flipped and `BLOCK` items later: on few cores
making samples takes time from training.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numba
import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from .anatomy import Anatomy
from .generator import apply_sample, draw_sample

Item = dict[str, torch.Tensor]
BLOCK = 16  # samples kept for their second use


class Stream(IterableDataset[Item]):
    """Samples start, start+1, … of run `seed`, shared out among loader workers without repeats.

    Each item: image (2, X, Y, Z), t1w, p, lesion, brain (1, X, Y, Z), to_atlas (4, 4), which is NaN in a
    share `lost`: a scan whose pose is not known yet; float32.
    """

    def __init__(
        self,
        anatomies: Sequence[Anatomy],
        bank: Sequence[Path],
        *,
        seed: int,
        start: int = 0,
        flipped_too: bool = False,
        lost: float = 0.2,
    ) -> None:
        if not anatomies:
            raise ValueError("a stream needs at least one anatomy")
        self.anatomies, self.bank, self.seed, self.start = list(anatomies), list(bank), seed, start
        self.flipped_too, self.lost = flipped_too, lost
        self._kept: OrderedDict[int, Item] = OrderedDict()

    def item(self, index: int) -> Item:
        """Item number `index`: sample `index`, or with `flipped_too` one of BLOCK samples used twice."""
        if not self.flipped_too:
            return self._sample(index)
        block, place = divmod(index, 2 * BLOCK)
        number = block * BLOCK + place % BLOCK
        if number not in self._kept:
            self._kept[number] = self._sample(number)
            if len(self._kept) > BLOCK:
                self._kept.popitem(last=False)
        sample = self._kept[number]
        return _flipped(sample) if place >= BLOCK else sample

    def _sample(self, number: int) -> Item:
        rng = np.random.default_rng([self.seed, number])
        anatomy = self.anatomies[int(rng.integers(len(self.anatomies)))]
        sample = apply_sample(anatomy, draw_sample(rng, anatomy, self.bank))
        pose = sample.to_atlas if rng.random() >= self.lost else np.full((4, 4), np.nan)
        return {
            "image": torch.from_numpy(sample.image),
            "to_atlas": torch.from_numpy(pose.astype(np.float32)),
            **{
                name: torch.from_numpy(np.ascontiguousarray(getattr(sample, name), dtype=np.float32))[None]
                for name in ("t1w", "p", "lesion", "brain")
            },
        }

    def __iter__(self) -> Iterator[Item]:
        """From `start` on, without end."""
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        if info:
            torch.set_num_threads(1)  # the other cores train
            numba.set_num_threads(1)
        index = self.start + worker
        while True:
            yield self.item(index)
            index += workers


def _flipped(sample: Item) -> Item:
    across = torch.diag(torch.tensor([-1.0, 1, 1, 1]))
    return {k: across @ v @ across if k == "to_atlas" else v.flip(1) for k, v in sample.items()}
