"""The objective of the second stage: errors inside the brain, edges, and as much edge as the truth has."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from ...common.loss import VOXELS, gradient, overlap, reconstruction
from .loss import kappa, laplace
from .model import UnaPrediction

Tensor = torch.Tensor


@dataclass(frozen=True)
class FineWeights:
    """Weights of the terms.

    Parameters
    ----------
    gradient, energy, anomaly, brain, uncertainty : float
        Of the terms; the error itself has 1.
    lambda_p : float
        λp of `kappa`, how much more an anomaly counts.
    """

    gradient: float = 1.0
    energy: float = 0.3
    anomaly: float = 0.5
    brain: float = 0.5
    uncertainty: float = 0.05
    lambda_p: float = 2.0


def steepness(image: Tensor) -> Tensor:
    """Length of the gradient (B, 1, X−1, Y−1, Z−1), per voxel, by forward differences.

    Parameters
    ----------
    image : (B, 1, X, Y, Z)
        Intensities.
    """
    here = image[:, :, :-1, :-1, :-1]
    parts = (
        image[:, :, 1:, :-1, :-1] - here,
        image[:, :, :-1, 1:, :-1] - here,
        image[:, :, :-1, :-1, 1:] - here,
    )
    return (parts[0] ** 2 + parts[1] ** 2 + parts[2] ** 2 + 1e-6).sqrt()


def energy(t1w: Tensor, target: Tensor, where: Tensor, *, window: int = 8) -> Tensor:
    """Mean over windows of |ḡ − ḡ*|, ḡ the mean steepness in a window: as much edge as there is.

    It says nothing of where in a window an edge lies, so a blurred image pays, and one that is off by a voxel
    does not.

    Parameters
    ----------
    t1w, target : (B, 1, X, Y, Z)
        Î and T.
    where : (B, 1, X, Y, Z)
        1 where it counts.
    window : int
        Edge of a window in voxels.
    """
    inside = (where > 0).to(t1w.dtype)
    share = F.avg_pool3d(inside[:, :, :-1, :-1, :-1], window)
    means = [F.avg_pool3d(steepness(x) * inside[:, :, :-1, :-1, :-1], window) for x in (t1w, target)]
    return (means[0] - means[1]).abs().sum(VOXELS) / share.sum(VOXELS).clamp_min(1)


def objective(
    prediction: UnaPrediction, batch: dict[str, Tensor], weights: FineWeights | None = None
) -> tuple[Tensor, dict[str, Tensor]]:
    """Mean over patches of the weighted sum of the terms, and the mean of each.

    Parameters
    ----------
    prediction : UnaPrediction
        Of the network.
    batch : dict
        t1w, p, lesion, brain (B, 1, X, Y, Z).
    weights : FineWeights, optional
        Of the terms.
    """
    w = weights or FineWeights()
    target, p, brain, t1w = batch["t1w"], batch["p"], batch["brain"], prediction.t1w
    volume = brain.sum(VOXELS).clamp_min(0.25 * brain[0].numel())
    weight = kappa(p, 0.0, w.lambda_p) * brain
    terms = {
        "recon": reconstruction(t1w, target, weight, volume),
        "gradient": w.gradient * gradient(t1w, target, weight, volume),
        "energy": w.energy * energy(t1w, target, brain),
        "anomaly": w.anomaly * overlap(prediction.anomaly, batch["lesion"], volume),
        "brain": w.brain * overlap(prediction.brain, brain, volume),
        "uncertainty": w.uncertainty * laplace(t1w, target, prediction.log_scale, brain, volume),
    }
    means = {name: term.mean() for name, term in terms.items()}
    return torch.stack(list(means.values())).sum(), {name: m.detach() for name, m in means.items()}
