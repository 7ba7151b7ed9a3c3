"""Endless training samples: item i of a run is a function of (run seed, i) and nothing else.

A sample may be used twice, the second time left-right flipped and `BLOCK` items later: on few cores
making samples takes time from training.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count, tee
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import IterableDataset, get_worker_info

from ..space.grid import Grid
from .anatomy import Anatomy, at_spacing
from .batch import OnDevice
from .box import DEFAULT_GRID
from .generator import SampleParams, ViewParams, apply_sample
from .patient import Patient, PatientParams, apply_patient, draw_patient
from .sampling import SamplingConfig
from .workers import ahead_of_use, pool

Item = dict[str, torch.Tensor]
BLOCK = 16  # samples kept for their second use
TRUTH = ("t1w", "p", "lesion", "mirrored", "brain")
AHEAD = 6  # samples that other processes make before they are asked for


@dataclass(frozen=True)
class _Drawn:
    """What a sample is made from: an anatomy with its parameters, or a patient with theirs."""

    head: int
    params: SampleParams
    known: bool  # whether the pose is told
    views: tuple[ViewParams, ...]
    patient: tuple[Patient, PatientParams] | None


class Stream(IterableDataset[Item]):
    """Samples start, start+1, … of run `seed`, shared out among loader workers without repeats.

    Each item: image (2, X, Y, Z), t1w, p, lesion, mirrored, brain (1, X, Y, Z), real (), to_atlas (4, 4),
    which is NaN in a share `lost`: a scan whose pose is not known yet; float32. On `box`, default the
    model's. If `sampling` says so, also views (V, X, Y, Z), other scans of the same head, and sick (2, X, Y, Z),
    the T1w and the FLAIR with the anomaly.
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
        box: Grid = DEFAULT_GRID,
        sampling: SamplingConfig | None = None,
        patients: Sequence[Patient] = (),
    ) -> None:
        if not anatomies:
            raise ValueError("a stream needs at least one anatomy")
        if patients and sampling and (sampling.views or sampling.sick):
            raise ValueError("patients have no other views and no healthy tissue behind: leave them out")
        self.anatomies = [at_spacing(a, float(box.spacing_mm[0])) for a in anatomies]
        self.bank, self.seed, self.start = list(bank), seed, start
        self.flipped_too, self.lost, self.box = flipped_too, lost, box
        self.sampling, self.patients = sampling or SamplingConfig(), list(patients)
        self._kept: OrderedDict[int, Item] = OrderedDict()

    def item(self, index: int) -> Item:
        """Item number `index`: sample `index`, or with `flipped_too` one of BLOCK samples used twice."""
        return self._item(index, lambda number: _tensors(self.sample(number)))

    def made_by(self, workers: int, items: Iterable[int] | None = None) -> Generator[Item, None, None]:
        """Items by their numbers, default as iterating; close it to stop what makes them.

        The samples are made ahead of use by `workers` processes; 0: as they are asked for.
        """
        self._kept.clear()  # as `_to_make` begins
        own, others = tee(count(self.start) if items is None else items)
        if not workers:
            yield from map(self.item, own)
            return
        with pool(workers, _begin, self) as processes:
            made = ahead_of_use(processes, _make, self._to_make(others), max(AHEAD, 2 * workers))
            try:
                for index in own:
                    yield self._item(index, lambda _: _tensors(next(made)))
            finally:
                processes.shutdown(wait=True, cancel_futures=True)

    def _item(self, index: int, make: Callable[[int], Item]) -> Item:
        number = self._number(index)
        if not self.flipped_too:
            return make(number)
        if number not in self._kept:
            self._kept[number] = make(number)
            if len(self._kept) > BLOCK:
                self._kept.popitem(last=False)
        sample = self._kept[number]
        return _flipped(sample) if index % (2 * BLOCK) >= BLOCK else sample

    def _number(self, index: int) -> int:
        if not self.flipped_too:
            return index
        block, place = divmod(index, 2 * BLOCK)
        return block * BLOCK + place % BLOCK

    def _to_make(self, items: Iterable[int]) -> Iterator[int]:
        """Samples in the order in which `_item` asks for them."""
        kept: deque[int] = deque(maxlen=BLOCK)
        for number in map(self._number, items):
            if number not in kept:
                kept.append(number)
                yield number

    def sample(self, number: int) -> dict[str, npt.NDArray[np.float32]]:
        """Sample `number` as arrays."""
        drawn = self._drawn(number)
        if drawn.patient is None:
            sample = apply_sample(
                self.anatomies[drawn.head], drawn.params, box=self.box, views=drawn.views,
                with_sick=self.sampling.sick,
            )  # fmt: skip
        else:
            sample = apply_patient(*drawn.patient, box=self.box)
        truth = {n: np.asarray(getattr(sample, n), np.float32)[None] for n in TRUTH}
        image = sample.image if self.sampling.mirror else np.repeat(sample.image[:1], 2, axis=0)
        pose = sample.to_atlas if drawn.known else np.full((4, 4), np.nan)
        real = np.array(drawn.patient is not None, np.float32)
        more = {"views": sample.views} if drawn.views else {}
        if sample.sick is not None:
            more["sick"] = sample.sick
        return more | {"image": image, "to_atlas": pose.astype(np.float32), "real": real, **truth}

    def _drawn(self, number: int) -> _Drawn:
        rng = np.random.default_rng([self.seed, number])
        head = int(rng.integers(len(self.anatomies)))
        spacing = float(self.box.spacing_mm[0])
        params = self.sampling.draw(rng, self.anatomies[head], self.bank, spacing_mm=spacing)
        known = bool(rng.random() >= self.lost)
        views = self.sampling.draw_views(rng, self.anatomies[head], spacing_mm=spacing)
        patient = None
        if self.patients and params.contrast.preset == "t1w" and rng.random() < self.sampling.patients:
            one = self.patients[int(rng.integers(len(self.patients)))]
            patient = one, draw_patient(rng, one, spacing_mm=spacing)
        return _Drawn(head, params, known, views, patient)

    def batches(self, size: int, *, device: str = "auto") -> Generator[Item, None, None]:
        """Batches of samples start, start+1, …, each used once, made on a device.

        On "auto" that is the GPU where there is one (by `batch.OnDevice`, in PyTorch), else the CPU.
        """
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        heads = None if device == "cpu" else OnDevice(self.anatomies, device)
        for first in count(self.start, size):
            drawn = [self._drawn(n) for n in range(first, first + size)]
            if heads is None or any(d.patient for d in drawn):
                items = [_tensors(self.sample(n)) for n in range(first, first + size)]
                yield {name: torch.stack([i[name] for i in items]).to(device) for name in items[0]}
                continue
            batch = heads.batch(
                [d.head for d in drawn], [d.params for d in drawn], box=self.box,
                views=[d.views for d in drawn], with_sick=self.sampling.sick,
            )  # fmt: skip
            batch.pop("labels")
            if not self.sampling.mirror:
                batch["image"][:, 1] = batch["image"][:, 0]
            batch["to_atlas"][[not d.known for d in drawn]] = torch.nan
            yield batch

    def __iter__(self) -> Generator[Item, None, None]:
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


def _tensors(sample: dict[str, npt.NDArray[np.float32]]) -> Item:
    return {name: torch.from_numpy(np.require(x, requirements="C")) for name, x in sample.items()}


_STREAM: list[Stream] = []  # of a process that makes samples


def _begin(stream: Stream) -> None:
    _STREAM[:] = [stream]


def _make(number: int) -> dict[str, npt.NDArray[np.float32]]:
    return _STREAM[0].sample(number)


def _flipped(sample: Item) -> Item:
    across = torch.diag(torch.tensor([-1.0, 1, 1, 1]))
    out = {k: v.flip(1) if v.ndim == 4 else v for k, v in sample.items()}
    return {**out, "to_atlas": across @ sample["to_atlas"] @ across}
