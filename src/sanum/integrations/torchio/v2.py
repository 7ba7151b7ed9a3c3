"""The transforms for TorchIO 2: parameters are drawn for a batch of subjects, then applied."""

# mypy: disable-error-code="attr-defined,override,unused-ignore"
# (the checker sees TorchIO 1, which lacks these names)

from typing import Any

import numpy as np
import torch
from torchio import IntensityTransform, LabelMap, ScalarImage, Transform

from ..scan import LABELS, ScanOptions, make_scan
from .images import EffectByImage, SubjectImage, with_anomaly


class _Seeded(Transform):
    """A transform whose only parameter is a seed, one for each subject of a batch."""

    @property
    def supports_per_instance_params(self) -> bool:
        """Each subject of a batch has its own."""
        return True

    def make_params(self, batch: Any) -> dict[str, Any]:
        """Seed of each subject, under the key "seed".

        Parameters
        ----------
        batch : torchio.SubjectsBatch
        """
        number = self._resolve_n(batch)
        keep = self._keep_mask(batch, number)
        seeds = [self._seed() for _ in range(number or 1)]
        params: dict[str, Any] = {"seed": seeds[0] if number is None else seeds}
        self._tag_batched(params, batch, number, keep, ["seed"])
        return params

    def _seed(self) -> int:
        return int(torch.randint(0, 2**31, (1,)).item())


class RandomFluidAnomaly(IntensityTransform, _Seeded):
    """Grow a random anomaly into all images of a subject with an advection-diffusion fluid (UNA, CVPR 2025).

    The seed comes from TorchIO's own randomness (`torch.manual_seed`); the subject's history holds it, and
    `FluidAnomaly` of that seed makes the same anomaly again. Subjects of a batch get anomalies of their own.

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
        super().__init__(**kwargs)
        self.effect, self.mask_name, self.anomaly_name = effect, mask_name, anomaly_name

    @property
    def supports_per_instance_p(self) -> bool:
        """A subject that the probability leaves out keeps its images, and its P is 0."""
        return True

    def apply_transform(self, batch: Any, params: dict[str, Any]) -> Any:
        """See TorchIO's `Transform`.

        Parameters
        ----------
        batch : torchio.SubjectsBatch
            The images of each subject on one grid.
        params : dict
            Of `make_params`.

        Raises
        ------
        ValueError
            The mask is empty or does not fit; an image holds NaN or infinite numbers.
        RuntimeError
            The images lie on different grids.
        """
        images = self._get_images(batch)
        if not images:
            return batch
        first = next(iter(images.values()))
        seeds, keep = _seeds(params, batch), params.get("_keep") or [True] * batch.batch_size
        painted = {name: list(x.data.float()) for name, x in images.items()}
        anomalies = []
        for n, seed in enumerate(seeds):
            p = np.zeros(tuple(first.data.shape[2:]), np.float32)
            if keep[n]:
                mask = _read(batch.images[self.mask_name], n) if self.mask_name else None
                subject = {name: _read(x, n) for name, x in images.items()}
                voxels, p = with_anomaly(subject, mask, seed, self.effect)
                for name, x in voxels.items():
                    painted[name][n] = torch.from_numpy(x).to(images[name].device)
            anomalies.append(torch.from_numpy(p[None]))
        for name, x in images.items():
            x.data = torch.stack(painted[name])
        if self.anomaly_name is not None:
            data = torch.stack(anomalies).to(first.device)
            batch.images[self.anomaly_name] = _batch(data, first.affines, LabelMap)
        return batch


class FluidAnomaly(RandomFluidAnomaly):
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
        super().__init__(effect, mask_name, anomaly_name, **kwargs)
        self.seed = seed

    def _seed(self) -> int:
        return self.seed


class RandomGeneratedScan(_Seeded):
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
        super().__init__(**kwargs)
        self.anatomy_name, self.options = anatomy_name, options or ScanOptions()

    def apply_transform(self, batch: Any, params: dict[str, Any]) -> Any:
        """See TorchIO's `Transform`.

        Parameters
        ----------
        batch : torchio.SubjectsBatch
            Each subject holds an anatomy, and an image, whatever it shows.
        params : dict
            Of `make_params`.

        Raises
        ------
        KeyError, TypeError
            A subject holds no anatomy of that name.
        """
        anatomies = batch.metadata.pop(self.anatomy_name)
        seeds = _seeds(params, batch)
        scans = [make_scan(a, s, self.options) for a, s in zip(anatomies, seeds, strict=True)]
        affines = [type(batch.images[next(iter(batch.images))].affines[0])(affine) for _, affine in scans]
        batch.images.clear()
        for name in scans[0][0]:
            data = torch.stack([torch.from_numpy(np.ascontiguousarray(made[name])) for made, _ in scans])
            batch.images[name] = _batch(data, affines, LabelMap if name in LABELS else ScalarImage)
        return batch


class GeneratedScan(RandomGeneratedScan):
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
        super().__init__(anatomy_name, options, **kwargs)
        self.seed = seed

    def _seed(self) -> int:
        return self.seed


def _seeds(params: dict[str, Any], batch: Any) -> list[int]:
    seed = params["seed"]
    return seed if isinstance(seed, list) else [seed] * batch.batch_size


def _read(images: Any, number: int) -> SubjectImage:
    spacing = np.linalg.norm(np.asarray(images.affines[number].data, dtype=np.float64)[:3, :3], axis=0)
    x, y, z = (float(s) for s in spacing)
    return SubjectImage(images.data[number].cpu().numpy(), (x, y, z))


def _batch(data: torch.Tensor, affines: list[Any], kind: type) -> Any:
    from torchio import ImagesBatch

    return ImagesBatch(data, [a.clone() for a in affines], image_class=kind)
