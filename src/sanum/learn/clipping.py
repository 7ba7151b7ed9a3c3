"""The sum of clipped gradients, one for each person: what a private step may know of its batch.

    g_i = ∇ l_i(θ)                                                             "dp-sgd"
    g_i = ∇ l_i(θ + ρ v/‖v‖), v the previous noisy gradient                    "dp-sat"
    b_i = (1 − α) g_i + α ∇ l_i(θ + r g_i/‖g_i‖), in the place of g_i          "bam"
    sum = Σ_i g_i min(1, C/‖g_i‖)

Each summand depends on one person, with what the loss draws for them, and is no longer than C: a person who
comes or goes moves the sum by C at most, and one who is replaced by 2C. "bam" moves the weights along each
person's own gradient. Along the mean of the batch, every b_i would depend on everybody, and C would bound
nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import torch

from ..metrics.gradients import TINY, norm
from .per_sample import PerSample, SampleGradients, Weights, add_weighted, norms_of
from .step import Batch, Terms
from .step_config import StepConfig


@dataclass(frozen=True, eq=False)
class ClippedSum:
    """Sums over the n samples of a batch.

    Parameters
    ----------
    clipped : dict of tensor
        What noise is added to, by name of the weight.
    raw : dict of tensor
        Σ g_i, neither mixed nor clipped.
    norms : (n,) tensor
        ‖g_i‖.
    shortened : (n,) bool tensor
        Whose summand was longer than C.
    values : dict of tensor
        (n,) each: "loss", then its terms; empty where n is 0.
    """

    clipped: Weights
    raw: Weights
    norms: torch.Tensor
    shortened: torch.Tensor
    values: Terms


@torch.no_grad()
def clipped_sum(
    by: PerSample,
    weights: Weights,
    batch: Batch,
    config: StepConfig,
    previous: Weights | None = None,
    keys: Sequence[int] | None = None,
) -> ClippedSum:
    """The sum, chunk by chunk: what takes memory are the gradients of a chunk.

    Parameters
    ----------
    by : PerSample
        Loss, and how many samples at a time.
    weights : dict of tensor
        θ.
    batch : dict of tensor
        Samples along the first axis, one a person; may be without tensors.
    config : StepConfig
        Kind, C, α, r.
    previous : dict of tensor, optional
        v of "dp-sat"; without it, as in the first step, weights stay where they are.
    keys : sequence of int, optional
        For each sample the seed of what its loss draws, such as dropout; default: 0 for each.
    """
    theta = {name: w.detach() for name, w in weights.items()}
    if config.kind == "dp-sat" and previous is not None:
        far = config.radius / norm(previous).clamp_min(TINY)
        theta = {name: w + far * previous[name] for name, w in theta.items()}
    clipped = {name: torch.zeros_like(w) for name, w in theta.items()}
    raw = {name: torch.zeros_like(w) for name, w in theta.items()}
    none = next(iter(theta.values())).new_zeros(0)
    norms, shortened, values = [none], [none.bool()], []
    left = iter(keys or [0] * by.count(batch))
    for part in by.chunks(batch):
        found, mixed = _gradients(by, theta, part, config, list(islice(left, by.count(part))))
        norms.append(norms_of(found.gradients))
        factors = (config.max_grad_norm / norms_of(mixed).clamp_min(TINY)).clamp_max(1.0)
        add_weighted(raw, found.gradients, torch.ones_like(factors))
        add_weighted(clipped, mixed, factors)
        shortened.append(factors < 1)
        values.append(found.values)
    told = {name: torch.cat([v[name] for v in values]) for name in (values[0] if values else ())}
    return ClippedSum(clipped, raw, torch.cat(norms), torch.cat(shortened), told)


def _gradients(
    by: PerSample, theta: Weights, part: Batch, config: StepConfig, keys: Sequence[int]
) -> tuple[SampleGradients, Weights]:
    """g_i with their values, and what is clipped; both with the same draws, such as dropout's."""
    found = by.gradients(theta, part, keys)
    if config.kind != "bam":
        return found, found.gradients
    far = config.radius / norms_of(found.gradients).clamp_min(TINY)
    moved = {name: torch.addcmul(theta[name], _rows(far, g), g) for name, g in found.gradients.items()}
    ahead = by.gradients(moved, part, keys, own=True).gradients
    for name, g in found.gradients.items():  # in place: these are the largest tensors of a training
        torch.lerp(g, ahead[name], config.alpha, out=ahead[name])
    return found, ahead


def _rows(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """(n,) as a factor of (n, …)."""
    return x.view(-1, *(1,) * (like.ndim - 1))
