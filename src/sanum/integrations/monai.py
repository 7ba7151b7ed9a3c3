"""MONAI (extra `sanum[monai]`): `RandFluidAnomaly`, also for dictionaries, and `RandGeneratedScand`."""

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch.utils.data import get_worker_info

from ..extras import needs_extra
from ..types import AnyArray, FloatArray, Mask
from .domain import foreground
from .lesion import Effect, LesionParams, draw_lesion, grow_lesion, paint_lesion
from .scan import ScanOptions, make_scan

with needs_extra(__name__, "monai"):
    from monai.config.type_definitions import KeysCollection
    from monai.data.meta_tensor import MetaTensor
    from monai.transforms.transform import MapTransform, Randomizable, RandomizableTransform, Transform
    from monai.utils.enums import TransformBackends
    from monai.utils.type_conversion import convert_to_dst_type, convert_to_numpy


class _OwnNumbers(Randomizable):
    """Random numbers of its own in each worker of a loader, whoever wrote the loader.

    PyTorch copies a transform into its workers with the numbers that it would draw next. A copy that was not
    seeded in its worker, as MONAI's loader does, is seeded here: from those numbers and the worker's seed,
    which is another in each epoch and follows from `torch.manual_seed`.
    """

    _seeded_in: int | None = None

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> Self:
        """See MONAI's `Randomizable`.

        Parameters
        ----------
        seed, state
            See MONAI's `Randomizable`.
        """
        self._seeded_in = _worker_seed()
        super().set_random_state(seed, state)
        return self

    def seed_in_worker(self) -> None:
        """Take numbers of this worker's own, if nobody has seeded it here; call it before drawing."""
        here = _worker_seed()
        if here is not None and self._seeded_in != here:
            mixed = np.random.SeedSequence([int(self.R.randint(2**31 - 1)), here])
            self.set_random_state(int(mixed.generate_state(1)[0]))


class RandFluidAnomaly(_OwnNumbers, RandomizableTransform):
    """Grow an anomaly into an image with an advection-diffusion fluid (UNA, CVPR 2025).

    Parameters
    ----------
    prob : float
        Probability of an anomaly.
    effect : "darker", "brighter" or "ct"
        As in a T1w; as in T2w or FLAIR; in Hounsfield units.
    spacing : float per axis, optional
        Voxel size in mm; default that of a MetaTensor, else 1.
    bank : sequence of (X, Y[, Z]) arrays
        Masks on the images' grid from which half of the anomalies start; the others start from noise.

    Attributes
    ----------
    anomaly : (X, Y[, Z]) float32 array or None
        P of the last call, in [0, 1]; None if there was no anomaly.
    """

    backend = [TransformBackends.TORCH, TransformBackends.NUMPY]  # noqa: RUF012 (MONAI's way)

    def __init__(
        self,
        prob: float = 0.1,
        effect: Effect = "darker",
        spacing: Sequence[float] | None = None,
        bank: Sequence[AnyArray] = (),
    ) -> None:
        RandomizableTransform.__init__(self, prob)
        self.effect, self.spacing, self.bank = effect, spacing, bank
        self.params: LesionParams | None = None
        self.anomaly: FloatArray | None = None

    def randomize(self, data: Any = None) -> None:
        """Draw whether there is an anomaly, and which.

        Parameters
        ----------
        data : object
            Not used.
        """
        self.seed_in_worker()
        super().randomize(None)
        seed = int(self.R.randint(2**31 - 1))  # drawn always: the stream does not depend on what was drawn
        self.params = draw_lesion(seed, bank_size=len(self.bank)) if self._do_transform else None

    def __call__(self, img: Any, mask: Any = None, randomize: bool = True) -> Any:
        """`img` with the anomaly in every channel; same kind, device and dtype.

        Parameters
        ----------
        img : (C, X, Y[, Z]) array, tensor or MetaTensor
            The image.
        mask : ([1,] X, Y[, Z]) array, optional
            Where the anomaly may be; default all that the background of the first channel does not reach, one
            value or noise: give one for whole heads and for CT, or anomalies grow in the skull.
        randomize : bool
            Draw a new anomaly; else the last one.

        Raises
        ------
        ValueError
            `mask` does not fit or is empty, as the default is in an image of one value; NaN or infinite
            numbers in the image; a mask of the bank that does not fit.
        """
        if randomize:
            self.randomize()
        self.anomaly = None
        if self.params is None:
            return img
        domain = _domain(img, mask)
        self.anomaly = grow_lesion(self.params, domain, _spacing(img, self.spacing, domain.ndim), self.bank)
        return self.paint(img, domain)

    def paint(self, img: Any, domain: Mask) -> Any:
        """`img` with the anomaly of the last call.

        Parameters
        ----------
        img : (C, X, Y[, Z]) array, tensor or MetaTensor
            The image.
        domain : (X, Y[, Z]) bool
            Where the anomaly may be.
        """
        assert self.params is not None
        assert self.anomaly is not None
        channels = convert_to_numpy(img)
        spacing = _spacing(img, self.spacing, domain.ndim)
        if channels.shape[1:] != domain.shape:
            raise ValueError(f"the image has shape {channels.shape[1:]}, the anomaly {domain.shape}")
        painted = np.stack(
            [paint_lesion(self.params, c, self.anomaly, domain, self.effect, spacing) for c in channels]
        )
        if np.issubdtype(channels.dtype, np.integer):  # a cast would wrap around
            kept = np.iinfo(channels.dtype)
            painted = np.clip(np.rint(painted), kept.min, kept.max)
        return convert_to_dst_type(painted, img, dtype=img.dtype)[0]


class RandFluidAnomalyd(_OwnNumbers, RandomizableTransform, MapTransform):
    """Dictionary form: the same anomaly in all of `keys`, images of one patient on one grid.

    Parameters
    ----------
    keys : KeysCollection
        Images (C, X, Y[, Z]).
    prob : float
        Probability of an anomaly.
    effect : Effect or sequence of them
        One for all keys, or one for each.
    mask_key : optional
        Where the anomaly may be ([1,] X, Y[, Z]); default all that the background of the first image does not
        reach: give one for whole heads and for CT.
    anomaly_key : str, optional
        Under which P (1, X, Y[, Z]) is put into the dictionary; all 0 where there is none.
    spacing, bank
        As of `RandFluidAnomaly`.
    allow_missing_keys : bool
        See MONAI's `MapTransform`.
    """

    backend = RandFluidAnomaly.backend

    def __init__(
        self,
        keys: KeysCollection,
        prob: float = 0.1,
        effect: Effect | Sequence[Effect] = "darker",
        mask_key: Hashable | None = None,
        anomaly_key: Hashable | None = "anomaly",
        spacing: Sequence[float] | None = None,
        bank: Sequence[AnyArray] = (),
        allow_missing_keys: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, prob)
        effects = [effect] * len(self.keys) if isinstance(effect, str) else list(effect)
        if len(effects) != len(self.keys):
            raise ValueError(f"effect has {len(effects)} entries for {len(self.keys)} keys")
        self.effects = dict(zip(self.keys, effects, strict=True))
        self.mask_key, self.anomaly_key = mask_key, anomaly_key
        self.one = RandFluidAnomaly(1.0, spacing=spacing, bank=bank)

    def set_random_state(self, seed: int | None = None, state: np.random.RandomState | None = None) -> Self:
        """See MONAI's `Randomizable`.

        Parameters
        ----------
        seed, state
            See MONAI's `Randomizable`.
        """
        super().set_random_state(seed, state)
        self.one.set_random_state(seed, state)
        return self

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """A new dictionary with the anomaly in its images.

        Parameters
        ----------
        data : mapping
            With the images, and the mask if there is one.
        """
        d = dict(data)
        self.seed_in_worker()
        self.randomize(None)
        self.one.randomize()
        keys = list(self.key_iterator(d))
        if not keys:  # no image, so nothing to be like
            return d
        first = d[keys[0]]
        p: Any = np.zeros(tuple(first.shape[1:]), np.float32)
        if self._do_transform:
            domain = _domain(first, None if self.mask_key is None else d[self.mask_key])
            for number, key in enumerate(keys):
                self.one.effect = self.effects[key]
                d[key] = (
                    self.one.paint(d[key], domain) if number else self.one(d[key], domain, randomize=False)
                )
            p = self.one.anomaly
        if self.anomaly_key is not None:
            d[self.anomaly_key] = convert_to_dst_type(p[None], first, dtype=_float_like(first))[0]
        return d


class RandGeneratedScand(_OwnNumbers, Transform):
    """The whole generator: an anatomy in, a scan of random modality and its truth out.

    Puts `image`, `t1w` (the healthy target), `anomaly` (P), `lesion`, `brain` and `labels` into the
    dictionary: MetaTensors (C, X, Y, Z) on one grid.

    Parameters
    ----------
    anatomy_key : str
        Under which a `sanum.synth.anatomy.Anatomy` lies (of `prepare`); it is taken out.
    options : ScanOptions, optional
        What is the same for all scans.
    """

    backend = RandFluidAnomaly.backend

    def __init__(self, anatomy_key: Hashable = "anatomy", options: ScanOptions | None = None) -> None:
        self.anatomy_key, self.options = anatomy_key, options or ScanOptions()
        self.seed = 0

    def randomize(self, data: Any = None) -> None:
        """Draw the seed of the next scan.

        Parameters
        ----------
        data : object
            Not used.
        """
        self.seed_in_worker()
        self.seed = int(self.R.randint(2**31 - 1))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """A new dictionary with the scan and its truth.

        Parameters
        ----------
        data : mapping
            With the anatomy.
        """
        d = dict(data)
        self.randomize()
        made, affine = make_scan(d.pop(self.anatomy_key), self.seed, self.options)
        for name, voxels in made.items():
            d[name] = MetaTensor(
                torch.from_numpy(np.ascontiguousarray(voxels)), affine=torch.from_numpy(affine)
            )
        return d


def _domain(img: Any, mask: Any) -> Mask:
    shape = tuple(img.shape[1:])
    if mask is None:
        return foreground(convert_to_numpy(img)[0])
    found: Mask = np.asarray(convert_to_numpy(mask)) > 0.5
    found = found[0] if found.ndim == len(shape) + 1 else found
    if found.shape != shape:
        raise ValueError(f"the mask has shape {found.shape}, the image {shape}")
    return found


def _spacing(img: Any, given: Sequence[float] | None, axes: int) -> tuple[float, ...]:
    if given is not None:
        return tuple(float(s) for s in given)
    if isinstance(img, MetaTensor):
        return tuple(float(s) for s in np.asarray(img.pixdim)[:axes])
    return (1.0,) * axes


def _worker_seed() -> int | None:
    worker = get_worker_info()
    return None if worker is None else int(worker.seed)


def _float_like(img: Any) -> Any:
    return torch.float32 if isinstance(img, torch.Tensor) else np.float32
