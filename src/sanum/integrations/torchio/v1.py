"""The transforms for TorchIO before 2: a random transform applies a fixed one, which histories keep."""

from typing import Any

import numpy as np
import torch
from torchio import LabelMap, ScalarImage, Subject
from torchio.transforms import IntensityTransform, Transform
from torchio.transforms.augmentation import RandomTransform

from ..scan import LABELS, ScanOptions, make_scan
from .images import EffectByImage, SubjectImage, with_anomaly


class RandomFluidAnomaly(RandomTransform, IntensityTransform):
    """Grow a random anomaly into all images of a subject with an advection-diffusion fluid (UNA, CVPR 2025).

    The seed comes from TorchIO's own randomness (`torch.manual_seed`); the subject's history holds it.

    Parameters
    ----------
    effect : "darker", "brighter" or "ct", or a dictionary of them by image name
        As in a T1w; as in T2w or FLAIR; in Hounsfield units.
    mask_name : str, optional
        Image in the subject where the anomaly may be; default all that the background of the first image
        does not reach, which has one value or is noise: give one for whole heads and for CT.
    anomaly_name : str, optional
        Name of the label map with P in [0, 1] that is added to the subject.
    **kwargs
        See `torchio.Transform`.
    """

    def __init__(
        self,
        effect: EffectByImage = "darker",
        mask_name: str | None = None,
        anomaly_name: str | None = "anomaly",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call, unused-ignore]
        self.effect, self.mask_name, self.anomaly_name = effect, mask_name, anomaly_name

    def apply_transform(self, subject: Subject) -> Subject:
        """See TorchIO's `Transform`.

        Parameters
        ----------
        subject : Subject
            Its images on one grid.
        """
        transform = FluidAnomaly(
            self._get_random_seed(), self.effect, self.mask_name, self.anomaly_name, **_base_arguments(self)
        )
        return transform(subject)


class FluidAnomaly(IntensityTransform):
    """The anomaly of a seed.

    Parameters
    ----------
    seed : int
        Decides the anomaly.
    effect, mask_name, anomaly_name, **kwargs
        As of `RandomFluidAnomaly`.
    """

    def __init__(
        self,
        seed: int,
        effect: EffectByImage = "darker",
        mask_name: str | None = None,
        anomaly_name: str | None = "anomaly",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.seed, self.effect, self.mask_name, self.anomaly_name = seed, effect, mask_name, anomaly_name
        self.args_names = ["seed", "effect", "mask_name", "anomaly_name"]

    def apply_transform(self, subject: Subject) -> Subject:
        """See TorchIO's `Transform`.

        Parameters
        ----------
        subject : Subject
            Its images on one grid.

        Raises
        ------
        ValueError
            The mask is empty or does not fit; an image holds NaN or infinite numbers.
        RuntimeError
            The images lie on different grids.
        """
        images = self.get_images_dict(subject)
        if not images:
            return subject
        first = next(iter(images.values()))
        mask = _read(subject[self.mask_name]) if self.mask_name else None
        with np.errstate(all="warn", under="ignore"):  # TorchIO raises on what rounds to 0
            painted, p = with_anomaly({n: _read(i) for n, i in images.items()}, mask, self.seed, self.effect)
        for name, image in images.items():
            image.set_data(torch.from_numpy(painted[name]))
        if self.anomaly_name is not None:
            anomaly = LabelMap(tensor=torch.from_numpy(p[None]), affine=first.affine)
            subject.add_image(anomaly, self.anomaly_name)
        return subject


class RandomGeneratedScan(RandomTransform):
    """The whole generator: an anatomy in, a scan of random modality and its truth out.

    The subject's images are replaced by `image`, `t1w` (the healthy target), `anomaly` (P), and the label
    maps `lesion`, `brain` and `labels`, all on one grid. The seed comes from TorchIO's own randomness.

    Parameters
    ----------
    anatomy_name : str
        Under which the subject holds a `sanum.synth.anatomy.Anatomy` (of `prepare`).
    options : ScanOptions, optional
        What is the same for all scans.
    **kwargs
        See `torchio.Transform`.
    """

    def __init__(
        self, anatomy_name: str = "anatomy", options: ScanOptions | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)  # type: ignore[no-untyped-call, unused-ignore]
        self.anatomy_name, self.options = anatomy_name, options or ScanOptions()

    def apply_transform(self, subject: Subject) -> Subject:
        """See TorchIO's `Transform`.

        Parameters
        ----------
        subject : Subject
            Holds an anatomy.
        """
        seed = self._get_random_seed()
        return GeneratedScan(seed, self.anatomy_name, self.options, **_base_arguments(self))(subject)


class GeneratedScan(Transform):
    """The scan of a seed.

    Parameters
    ----------
    seed : int
        Decides the scan.
    anatomy_name, options, **kwargs
        As of `RandomGeneratedScan`.
    """

    def __init__(
        self,
        seed: int,
        anatomy_name: str = "anatomy",
        options: ScanOptions | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.seed, self.anatomy_name, self.options = seed, anatomy_name, options or ScanOptions()
        self.args_names = ["seed", "anatomy_name", "options"]

    def apply_transform(self, subject: Subject) -> Subject:
        """See TorchIO's `Transform`.

        Parameters
        ----------
        subject : Subject
            Holds an anatomy.

        Raises
        ------
        KeyError, TypeError
            The subject holds no anatomy of that name.
        """
        with np.errstate(all="warn", under="ignore"):  # TorchIO raises on what rounds to 0
            made, affine = make_scan(subject.pop(self.anatomy_name), self.seed, self.options)
        for name in subject.get_images_dict(intensity_only=False):
            subject.remove_image(name)
        for name, voxels in made.items():
            kind = LabelMap if name in LABELS else ScalarImage
            tensor = torch.from_numpy(np.ascontiguousarray(voxels))
            subject.add_image(kind(tensor=tensor, affine=affine), name)
        return subject


def _base_arguments(transform: Transform) -> dict[str, Any]:
    """What the fixed transform takes over; not the probability. TorchIO has a method for it from 1.0 on."""
    names = ("copy", "include", "exclude", "keep", "parse_input", "label_keys")
    return {name: getattr(transform, name) for name in names}


def _read(image: Any) -> SubjectImage:
    return SubjectImage(image.data.numpy(), image.spacing)
