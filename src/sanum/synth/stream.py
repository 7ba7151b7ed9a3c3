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
import torch
from torch.utils.data import IterableDataset, get_worker_info

from ..scan.contrast import CONTRASTS, Contrast
from ..space.grid import Grid
from ..types import FloatArray
from .anatomy import Anatomy, at_spacing
from .batch import OnDevice
from .box import DEFAULT_GRID
from .contrast import CALLED
from .generator import apply_sample
from .params import SampleParams, ViewParams
from .patient import Patient, PatientParams, apply_patient, draw_patient
from .sampling import SamplingConfig
from .workers import pool, prefetch
from .world import WorldParams

SampleTensors = dict[str, torch.Tensor]
"""Tensors of one sample, or of a batch of samples, by name."""
BLOCK = 16  # samples kept for their second use
_TOLD_OF_PATIENTS: dict[str, Contrast] = {"T1w": "T1w", "T2w": "T2w", "FLAIR": "FLAIR", "PDw": "PD"}
TRUTH = ("t1w", "p", "lesion", "mirrored", "brain")
PREFETCHED = 6  # samples that other processes make ahead of use


@dataclass(frozen=True)
class _Drawn:
    """What a sample is made from: an anatomy with its parameters, or a patient with theirs."""

    head: int
    params: SampleParams
    pose_known: bool
    contrast: Contrast
    views: tuple[ViewParams, ...]
    patient: tuple[Patient, PatientParams] | None


@dataclass(frozen=True)
class TrainingSet:
    """What samples are made from.

    Parameters
    ----------
    anatomies : sequence of Anatomy
        Healthy heads, at least one.
    bank : sequence of Path
        Lesion masks in MNI space.
    patients : sequence of Patient
        Real scans with real lesions.
    people : sequence of tuple of int
        Places of each person's anatomies. If given, sample n is of person n mod N, without patients.
    """

    anatomies: Sequence[Anatomy]
    bank: Sequence[Path] = ()
    patients: Sequence[Patient] = ()
    people: Sequence[tuple[int, ...]] = ()


class Stream(IterableDataset[SampleTensors]):
    """Samples start, start+1, … of run `seed`, shared out among loader workers without repeats.

    Each item: image (2, X, Y, Z), t1w, p, lesion, mirrored, brain (1, X, Y, Z), real (), to_atlas (4, 4),
    which is NaN where the pose is not known, contrast (), a place in `scan.contrast.CONTRASTS`; float32.
    If `sampling` says so, also views (V, X, Y, Z), other scans of the same head, and sick (2, X, Y, Z), the
    T1w and the FLAIR with the anomaly.

    Parameters
    ----------
    source : TrainingSet
        What samples are made from.
    seed : int
        Of the run.
    start : int
        Number of the first item.
    flipped_too : bool
        Each sample is used twice, the second time left-right flipped.
    lost : float
        Share of samples whose pose is not known, as that of a scan before it is registered.
    box : Grid
        As of `apply_sample`.
    sampling : SamplingConfig, optional
        Shares and switches.

    Raises
    ------
    ValueError
        No anatomies; patients together with further views or with `sampling.sick`.
    """

    def __init__(
        self,
        source: TrainingSet,
        *,
        seed: int,
        start: int = 0,
        flipped_too: bool = False,
        lost: float = 0.2,
        box: Grid = DEFAULT_GRID,
        sampling: SamplingConfig | None = None,
    ) -> None:
        if not source.anatomies:
            raise ValueError("a stream needs at least one anatomy")
        if source.patients and sampling and (sampling.views or sampling.sick):
            raise ValueError("patients have no other views and no healthy tissue behind: leave them out")
        self.anatomies = [at_spacing(a, float(box.spacing_mm[0])) for a in source.anatomies]
        self.bank, self.seed, self.start = list(source.bank), seed, start
        self.flipped_too, self.lost, self.box = flipped_too, lost, box
        self.sampling, self.patients = sampling or SamplingConfig(), list(source.patients)
        self.people = list(source.people)
        self._kept: OrderedDict[int, SampleTensors] = OrderedDict()

    def item(self, index: int) -> SampleTensors:
        """Item of a number: sample `index`, or with `flipped_too` one of BLOCK samples that are used twice.

        Parameters
        ----------
        index : int
            Number of the item.
        """
        return self._item(index, lambda number: _tensors(self.sample(number)))

    def prefetched(
        self, workers: int, numbers: Iterable[int] | None = None
    ) -> Generator[SampleTensors, None, None]:
        """Items, whose samples other processes make ahead of use; close it to stop these.

        Parameters
        ----------
        workers : int
            Processes; 0: samples are made in this process, on demand.
        numbers : iterable of int, optional
            Of the items; default `start`, `start` + 1, …
        """
        self._kept.clear()  # as `_to_make` begins
        own, others = tee(count(self.start) if numbers is None else numbers)
        if not workers:
            yield from map(self.item, own)
            return
        with pool(workers, _set_stream, self) as processes:
            samples = prefetch(
                processes, _sample_of_worker, self._to_make(others), max(PREFETCHED, 2 * workers)
            )
            try:
                for index in own:
                    yield self._item(index, lambda _: _tensors(next(samples)))
            finally:
                processes.shutdown(wait=True, cancel_futures=True)

    def _item(self, index: int, make: Callable[[int], SampleTensors]) -> SampleTensors:
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

    def sample(self, number: int) -> dict[str, FloatArray]:
        """Sample as arrays by name.

        Parameters
        ----------
        number : int
            Of the sample.
        """
        drawn = self._drawn(number)
        if drawn.patient is None:
            sample = apply_sample(
                self.anatomies[drawn.head],
                drawn.params,
                box=self.box,
                views=drawn.views,
                with_sick=self.sampling.sick,
            )
        else:
            sample = apply_patient(*drawn.patient, box=self.box)
        truth = {n: np.asarray(getattr(sample, n), np.float32)[None] for n in TRUTH}
        image = sample.image if self.sampling.mirror else np.repeat(sample.image[:1], 2, axis=0)
        contrast = np.array(CONTRASTS.index(drawn.contrast), np.float32)
        pose = sample.to_atlas if drawn.pose_known else np.full((4, 4), np.nan)
        real = np.array(drawn.patient is not None, np.float32)
        more = {"views": sample.views} if drawn.views else {}
        if sample.sick is not None:
            more["sick"] = sample.sick
        return more | {
            "image": image,
            "contrast": contrast,
            "to_atlas": pose.astype(np.float32),
            "real": real,
            **truth,
        }

    def _drawn(self, number: int) -> _Drawn:
        rng = np.random.default_rng([self.seed, number])
        head = int(rng.integers(len(self.anatomies)))
        if self.people:
            own = self.people[number % len(self.people)]
            head = own[head % len(own)]
        spacing = float(self.box.spacing_mm[0])
        params = self.sampling.draw(rng, self.anatomies[head], self.bank, spacing_mm=spacing)
        known = bool(rng.random() >= self.lost)
        views = self.sampling.draw_views(rng, self.anatomies[head], spacing_mm=spacing)
        patient = None
        if self.patients and params.contrast.preset == "t1w" and rng.random() < self.sampling.patients:
            one = self.patients[int(rng.integers(len(self.patients)))]
            patient = one, draw_patient(rng, one, spacing_mm=spacing)
        one_told = np.random.default_rng([self.seed, number, 1]).random() < self.sampling.told
        contrast = CALLED[params.contrast.preset] if one_told else "unknown"
        if one_told and patient is not None:
            contrast = _TOLD_OF_PATIENTS.get(patient[1].suffix, "unknown")
        return _Drawn(head, params, known, contrast, views, patient)

    def batches(self, size: int, *, device: str = "auto") -> Generator[SampleTensors, None, None]:
        """Batches of samples start, start+1, …, each used once, made on a device.

        On "auto" that is the GPU where there is one (by `batch.OnDevice`, in PyTorch), else the CPU.

        Parameters
        ----------
        size : int
            Samples in a batch.
        device : str
            A torch device, or "auto".
        """
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        heads = None if device == "cpu" else OnDevice(self.anatomies, device)
        for first in count(self.start, size):
            drawn = [self._drawn(n) for n in range(first, first + size)]
            plain = WorldParams()  # what is beyond is made on the CPU
            if heads is None or any(d.patient or d.params.world != plain for d in drawn):
                items = [_tensors(self.sample(n)) for n in range(first, first + size)]
                yield {name: torch.stack([i[name] for i in items]).to(device) for name in items[0]}
                continue
            batch = heads.batch(
                [d.head for d in drawn],
                [d.params for d in drawn],
                box=self.box,
                views=[d.views for d in drawn],
                with_sick=self.sampling.sick,
            )
            batch.pop("labels")
            if not self.sampling.mirror:
                batch["image"][:, 1] = batch["image"][:, 0]
            codes = [float(CONTRASTS.index(d.contrast)) for d in drawn]
            batch["contrast"] = torch.tensor(codes, device=batch["image"].device)
            batch["to_atlas"][[not d.pose_known for d in drawn]] = torch.nan
            yield batch

    def __iter__(self) -> Generator[SampleTensors, None, None]:
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


def _tensors(sample: dict[str, FloatArray]) -> SampleTensors:
    return {name: torch.from_numpy(np.require(x, requirements="C")) for name, x in sample.items()}


_STREAM: list[Stream] = []  # of a process that makes samples


def _set_stream(stream: Stream) -> None:
    _STREAM[:] = [stream]


def _sample_of_worker(number: int) -> dict[str, FloatArray]:
    return _STREAM[0].sample(number)


def _flipped(sample: SampleTensors) -> SampleTensors:
    across = torch.diag(torch.tensor([-1.0, 1, 1, 1]))
    out = {k: v.flip(1) if v.ndim == 4 else v for k, v in sample.items()}
    return {**out, "to_atlas": across @ sample["to_atlas"] @ across}
