"""Patches of 1 mm that the second stage learns from: a sample of `synth`, seen by the first stage."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
import torch.nn.functional as F

from ....learn.devices import native_bfloat16
from ....synth.stream import SampleTensors
from .fine_model import atlas_at, coarse_fields, fine_inputs
from .model import Una

TRUTH = ("t1w", "p", "lesion", "brain")
IN_LESION = 0.4  # share of patches around a voxel of the lesion, where there is one


@torch.inference_mode()
def first_maps(net: Una, pair: torch.Tensor, to_atlas: torch.Tensor, contrast: torch.Tensor) -> torch.Tensor:
    """(B, 4, X, Y, Z): T1w, probabilities, Laplace scale; the mean over the pair and its flip.

    Parameters
    ----------
    net : Una
        The first stage.
    pair : (B, 2, X, Y, Z)
        The scan and its mirror image at 2 mm.
    to_atlas : (B, 4, 4)
        Their pose, NaN where that is not known.
    contrast : (B,)
        Places in `scan.contrast.CONTRASTS`.
    """
    across = torch.diag(torch.tensor([-1.0, 1, 1, 1], device=pair.device))
    device = pair.device.type
    both = []
    for x, pose in ((pair, to_atlas), (pair.flip(2), across @ to_atlas @ across)):
        with torch.autocast(device, torch.bfloat16, enabled=native_bfloat16(device)):
            out = net(x, pose, contrast)
        maps = (out.t1w, out.anomaly.sigmoid(), out.brain.sigmoid(), out.log_scale.exp())
        both.append(torch.cat([m.float() for m in maps], dim=1))
    return (both[0] + both[1].flip(2)) / 2


def with_first_stage(sample: SampleTensors, net: Una) -> SampleTensors:
    """A sample of 1 mm with `inputs` (8, X, Y, Z) of the second stage, and its truth.

    Parameters
    ----------
    sample : dict of Tensor
        Of `Stream`, box of 1 mm with even numbers of voxels.
    net : Una
        The first stage, told or not.
    """
    pair, pose = sample["image"][None], sample["to_atlas"][None]
    contrast = sample["contrast"][None]
    coarse = F.avg_pool3d(pair, 2)
    maps = first_maps(net, coarse, pose, contrast).clone()
    atlas = atlas_at(net.atlas[0], pose, pair.shape[2:])
    fields = F.interpolate(coarse_fields(coarse[:, :1], maps), size=pair.shape[2:], mode="trilinear")
    inputs = fine_inputs(pair[:, :1], fields, atlas)[0]
    return {"inputs": inputs, "contrast": sample["contrast"], **{name: sample[name] for name in TRUTH}}


def patch_of(sample: SampleTensors, rng: np.random.Generator, edge: int) -> SampleTensors:
    """A cube of a sample around a voxel of its brain, or of its lesion; flipped left-right half of the time.

    Parameters
    ----------
    sample : dict of Tensor
        Of `with_first_stage`.
    rng : Generator
        Source of randomness.
    edge : int
        Voxels along each axis.
    """
    inside = (
        sample["lesion"] if rng.random() < IN_LESION and bool(sample["lesion"].any()) else sample["brain"]
    )
    places = inside[0].flatten().nonzero()[:, 0]
    shape = inside.shape[1:]
    middle = np.array(shape) // 2
    if len(places):
        middle = np.array(np.unravel_index(int(places[int(rng.integers(len(places)))]), shape))
    start = np.clip(
        middle - edge // 2 + rng.integers(-edge // 4, edge // 4 + 1, 3), 0, np.array(shape) - edge
    )
    box = tuple(slice(int(a), int(a) + edge) for a in start)
    flip = rng.random() < 0.5
    cut = {k: v[(slice(None), *box)] if v.ndim == 4 else v for k, v in sample.items()}
    return {k: (v.flip(1) if flip and v.ndim == 4 else v).contiguous() for k, v in cut.items()}


def each_once(numbers: Iterable[range], patches: int) -> Iterator[int]:
    """Samples in the order in which their patches are asked for.

    Parameters
    ----------
    numbers : iterable of range
        Items; item n is a patch of sample n // `patches`.
    patches : int
        Of each sample.
    """
    last = -1
    for some in numbers:
        for n in some:
            if n // patches != last:
                last = n // patches
                yield last
