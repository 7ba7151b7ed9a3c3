"""TorchIO (extra `sanum[torchio]`): `RandomFluidAnomaly`, `RandomGeneratedScan`; what histories replay."""

from typing import Any

import numpy as np
import torch
from torchio import LabelMap, ScalarImage, Subject
from torchio.transforms import IntensityTransform, Transform
from torchio.transforms.augmentation import RandomTransform

from .lesion import Effect, draw_lesion, grow_lesion, paint_lesion
from .scan import LABELS, ScanOptions, make_scan


class RandomFluidAnomaly(RandomTransform, IntensityTransform):
    """Grow a random anomaly into all images of a subject with an advection-diffusion fluid (UNA, CVPR 2025).

    The seed comes from TorchIO's own randomness (`torch.manual_seed`); the subject's history holds it.

    Parameters
    ----------
    effect : "darker", "brighter" or "ct", or a dictionary of them by image name
        As in a T1w; as in T2w or FLAIR; in Hounsfield units.
    mask_name : str, optional
        Image in the subject where the anomaly may be; default where the first image is above its minimum:
        give one for whole heads and for CT.
    anomaly_name : str, optional
        Name of the label map with P in [0, 1] that is added to the subject.
    **kwargs
        See `torchio.Transform`.
    """

    def __init__(
        self,
        effect: Effect | dict[str, Effect] = "darker",
        mask_name: str | None = None,
        anomaly_name: str | None = "anomaly",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.effect, self.mask_name, self.anomaly_name = effect, mask_name, anomaly_name

    def apply_transform(self, subject: Subject) -> Subject:
        """See TorchIO's `Transform`."""
        transform = FluidAnomaly(
            self._get_random_seed(), self.effect, self.mask_name, self.anomaly_name, **self._get_base_args()
        )
        return transform(subject)


class FluidAnomaly(IntensityTransform):
    """The anomaly of a seed; the other parameters are those of `RandomFluidAnomaly`."""

    def __init__(
        self,
        seed: int,
        effect: Effect | dict[str, Effect] = "darker",
        mask_name: str | None = None,
        anomaly_name: str | None = "anomaly",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.seed, self.effect, self.mask_name, self.anomaly_name = seed, effect, mask_name, anomaly_name
        self.args_names = ["seed", "effect", "mask_name", "anomaly_name"]

    def apply_transform(self, subject: Subject) -> Subject:
        """See TorchIO's `Transform`.

        Raises
        ------
        ValueError
            The mask is empty or does not fit.
        RuntimeError
            The images lie on different grids.
        """
        images = self.get_images_dict(subject)
        if not images:
            return subject
        first = next(iter(images.values()))
        reference: Any = subject[self.mask_name] if self.mask_name else first
        shapes = {tuple(i.spatial_shape) for i in (reference, *images.values())}
        if len(shapes) > 1:
            raise RuntimeError(f"the images and the mask must share a grid, got shapes {sorted(shapes)}")
        where = reference.data[0].numpy()
        domain = where > (0.5 if self.mask_name else where.min())
        flat = domain.shape[-1] == 1  # TorchIO's way to hold a plane
        inside = domain[..., 0] if flat else domain
        params = draw_lesion(self.seed)
        with np.errstate(all="warn", under="ignore"):  # TorchIO raises on what rounds to 0
            p = grow_lesion(params, inside, first.spacing[: inside.ndim])
            p = p[..., None] if flat else p
            for name, image in images.items():
                effect = self.effect[name] if isinstance(self.effect, dict) else self.effect
                channels = [
                    paint_lesion(params, c.numpy(), p, domain, effect, image.spacing) for c in image.data
                ]
                image.set_data(torch.from_numpy(np.stack(channels)))
        if self.anomaly_name is not None:
            subject.add_image(
                LabelMap(tensor=torch.from_numpy(p[None]), affine=first.affine), self.anomaly_name
            )
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
    **kwargs
        See `torchio.Transform`.
    """

    def __init__(
        self, anatomy_name: str = "anatomy", options: ScanOptions | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.anatomy_name, self.options = anatomy_name, options or ScanOptions()

    def apply_transform(self, subject: Subject) -> Subject:
        """See TorchIO's `Transform`."""
        seed = self._get_random_seed()
        return GeneratedScan(seed, self.anatomy_name, self.options, **self._get_base_args())(subject)


class GeneratedScan(Transform):
    """The scan of a seed; the other parameters are those of `RandomGeneratedScan`."""

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
            subject.add_image(
                kind(tensor=torch.from_numpy(np.ascontiguousarray(voxels)), affine=affine), name
            )
        return subject
