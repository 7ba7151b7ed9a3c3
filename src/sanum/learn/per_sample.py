"""One gradient for each sample of a batch, by `torch.func`, at weights they share or each at its own.

Opacus hooks layers, so all samples have to share their weights. Here the network is a function of its
weights, and `vmap` maps it over samples and, if asked, over weights. What a loss draws for a sample depends
on a key of that sample, never on who else is in the batch.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from .draws import drawn_from
from .own_draws import OwnDropout
from .step import Batch, Terms

Weights = dict[str, torch.Tensor]


@dataclass(frozen=True, eq=False)
class SampleGradients:
    """Gradients of n samples.

    Parameters
    ----------
    gradients : dict of tensor
        (n, …) by name of the weight.
    values : dict of tensor
        (n,) each: "loss", then its terms.
    """

    gradients: Weights
    values: Terms


@dataclass(frozen=True, eq=False)
class PerSample:
    """Gradients of the samples of a batch, each as if it were a batch of one.

    Parameters
    ----------
    objective : Module
        batch → loss and terms.
    shared : collection of str
        What of a batch is not of any sample. In the place of a "seed" among them, which is the first
        sample's, a loss gets the sample's own key; where samples are mapped, 0.
    mapped : bool
        By `vmap`, all at a time: it refuses what is drawn, but for dropout. Else one after the other, for
        networks that look at values of their input or draw something else.
    chunk : int
        Samples at a time in `chunks`; 0: all.
    precision : function
        Makes the context of a forward pass, such as autocast: gradients are summed up without it.
    """

    objective: nn.Module
    shared: Collection[str] = ()
    mapped: bool = True
    chunk: int = 0
    precision: Callable[[], AbstractContextManager[Any]] = nullcontext

    def gradients(
        self, weights: Weights, batch: Batch, keys: Sequence[int] | None = None, *, own: bool = False
    ) -> SampleGradients:
        """∇ l_i(θ) of each sample i; with `own`, ∇ l_i(θ_i).

        Parameters
        ----------
        weights : dict of tensor
            θ, by names of `objective`; what has no entry stays as it is. With `own` each has n rows.
        batch : dict of tensor
            n samples along the first axis, at least one.
        keys : sequence of int, optional
            n seeds of what the loss draws; default: 0 for each.
        own : bool
            Each sample has its own weights.
        """
        keys = keys or [0] * self.count(batch)
        device = next(iter(weights.values())).device
        one = grad(self._loss, has_aux=True)
        if self.mapped:
            axes = {name: None if name in self.shared else 0 for name in batch}
            mapped: Any = vmap(one, in_dims=(0 if own else None, axes, 0), randomness="error")
            return SampleGradients(
                *mapped(weights, self._seeded(batch, 0), torch.tensor(keys, device=device))
            )
        rows: list[Any] = []
        for n, key in enumerate(keys):
            sample = {name: x if name in self.shared else x[n] for name, x in batch.items()}
            theta = {name: w[n] for name, w in weights.items()} if own else weights
            with drawn_from(key, device):
                rows.append(one(theta, self._seeded(sample, key), torch.tensor(key, device=device)))
        return SampleGradients(*(_stacked([row[k] for row in rows]) for k in (0, 1)))

    def _seeded(self, batch: Batch, key: int) -> Batch:
        if "seed" not in self.shared:
            return batch
        return {**batch, "seed": torch.full_like(batch["seed"], key)}

    def _loss(self, theta: Weights, sample: Batch, key: torch.Tensor) -> tuple[torch.Tensor, Terms]:
        alone = {name: x if name in self.shared else x[None] for name, x in sample.items()}
        with self.precision(), OwnDropout(key):
            loss, terms = functional_call(self.objective, theta, (alone,))
        return loss, {"loss": loss.detach(), **terms}

    def chunks(self, batch: Batch) -> Iterator[Batch]:
        """The samples of a batch, some at a time; none where it has none.

        Parameters
        ----------
        batch : dict of tensor
            May be without tensors.
        """
        count = self.count(batch)
        size = self.chunk or max(1, count)
        for first in range(0, count, size):
            yield {k: x if k in self.shared else x[first : first + size] for k, x in batch.items()}

    def count(self, batch: Batch) -> int:
        """Samples of a batch.

        Parameters
        ----------
        batch : dict of tensor
            May be without tensors.
        """
        return next((len(x) for name, x in batch.items() if name not in self.shared), 0)


def norms_of(gradients: Weights) -> torch.Tensor:
    """‖g_i‖ over all weights, (n,).

    Parameters
    ----------
    gradients : dict of tensor
        (n, …) by name.
    """
    parts = [torch.linalg.vector_norm(g.flatten(1), dim=1) for g in gradients.values()]
    found: torch.Tensor = torch.linalg.vector_norm(torch.stack(parts), dim=0)
    return found


def add_weighted(total: Weights, gradients: Weights, factors: torch.Tensor) -> None:
    """Add Σ_i f_i g_i to `total`.

    Parameters
    ----------
    total : dict of tensor
        By name; changed in place.
    gradients : dict of tensor
        (n, …) by name.
    factors : (n,) tensor
        f.
    """
    for name, g in gradients.items():
        total[name] += (factors @ g.flatten(1)).view(g.shape[1:])


def _stacked(rows: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}
