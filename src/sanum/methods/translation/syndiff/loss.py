"""The objectives: all three generators against their judges, with what must come back; and the judges'."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F

from ...common.translation_loss import verdict
from .model import Noisy, SynDiffNet

Terms = dict[str, torch.Tensor]
Judge = Callable[[torch.Tensor], torch.Tensor]


def passing_loss(of_made: torch.Tensor) -> torch.Tensor:
    """What a generator minimises: mean −log σ(D(ŷ)).

    Parameters
    ----------
    of_made : tensor
        D(ŷ).
    """
    return F.softplus(-of_made).mean()


def telling_loss(judge: Judge, real: torch.Tensor, made: torch.Tensor, penalty: float) -> torch.Tensor:
    """What a judge minimises: mean −log σ(D(y)) − log(1 − σ(D(ŷ))) + γ/2 |∇D(y)|² (Mescheder et al. 2018).

    Parameters
    ----------
    judge : function
        D: images (B, …) → (B,).
    real, made : (B, …) float
        y and ŷ.
    penalty : float
        γ.
    """
    real = real.detach().requires_grad_(bool(penalty))
    of_real = judge(real)
    loss = F.softplus(-of_real).mean() + F.softplus(judge(made.detach())).mean()
    if not penalty:
        return loss
    (slope,) = torch.autograd.grad(of_real.sum(), real, create_graph=True)
    return loss + penalty / 2 * slope.square().flatten(1).sum(1).mean()


def generator_loss(
    net: SynDiffNet, source: torch.Tensor, target: torch.Tensor, noisy: Noisy, weights: tuple[float, float]
) -> tuple[torch.Tensor, Terms]:
    """Of the diffusion, and of the translators that make it sources, and its terms.

    Parameters
    ----------
    net : SynDiffNet
        Its generators learn.
    source, target : (B, 1, *patch) float
        x and y, of different people.
    noisy : Noisy
        Of the target.
    weights : (float, float)
        Of what comes back after both translators, and from the diffusion.
    """
    cycle, back = weights
    made_source, made_target = net.to_source(target), net.to_target(source)
    clean = net.clean(noisy.now, made_source.detach(), noisy.times)
    stepped = net.stepped(noisy.now, clean, noisy.times)
    terms: Terms = {
        "step": passing_loss(net.judged(stepped, noisy)),
        "back": back * (clean - target).abs().mean(),
        "fooling": passing_loss(verdict(net.judge_source, made_source))
        + passing_loss(verdict(net.judge_target, made_target)),
        "cycle": cycle
        * (
            (net.to_target(made_source) - target).abs().mean()
            + (net.to_source(made_target) - source).abs().mean()
        ),
    }
    return torch.stack(list(terms.values())).sum(), {name: x.detach() for name, x in terms.items()}


def judge_loss(
    net: SynDiffNet, source: torch.Tensor, target: torch.Tensor, noisy: Noisy, penalty: float
) -> tuple[torch.Tensor, Terms]:
    """Sum over the three judges; it has no further terms.

    Parameters
    ----------
    net : SynDiffNet
        Its judges learn.
    source, target : (B, 1, *patch) float
        x and y.
    noisy : Noisy
        Of the target.
    penalty : float
        γ.
    """
    with torch.no_grad():
        made_source, made_target = net.to_source(target), net.to_target(source)
        clean = net.clean(noisy.now, made_source, noisy.times)
        stepped = net.stepped(noisy.now, clean, noisy.times)
    loss = telling_loss(lambda x: net.judged(x, noisy), noisy.before, stepped, penalty)
    for judge, real, made in (
        (net.judge_source, source, made_source),
        (net.judge_target, target, made_target),
    ):
        loss = loss + telling_loss(partial(verdict, judge), real, made, penalty)
    return loss, {}
