"""Private steps: each person's gradient clipped, noise on the sum, and an account of what that has spent.

    update = ( Σ_i g_i min(1, C/‖g_i‖) + σ C ξ ) / B,   ξ standard normal, B the expected number of people

`clipping` says what g_i is. Divided by the number that did take part, the step would tell that number.
What is private are the weights; the log, the sheets and the checkpoint are not, and stay with the data.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from ..metrics.gradients import cosine, norm, relative_bias
from .account import Account
from .clipping import ClippedSum, clipped_sum
from .own_draws import keys_of
from .per_sample import PerSample, Weights
from .poisson import Poisson
from .private_noise import noise_of, system_noise
from .step import Batch, GradientInfo, Terms, Work
from .step_config import StepConfig


@dataclass(frozen=True)
class PrivatePlan:
    """What private steps need to know beside the weights.

    Parameters
    ----------
    config : StepConfig
        Kind, C, budget and the rest.
    noise_multiplier : float
        σ.
    people : int
        N.
    expected : int
        B: people of a step on average.
    steps : int
        Of the whole training.
    secret : int
        Of sampling, noise and what a loss draws.
    by : tuple of str
        Names of the values of a loss, "loss" first: they are logged where nobody takes part, too.
    shared : tuple of str
        What of a batch is not of any sample.
    mapped : bool
        Gradients by `vmap`.
    chunk : int
        People at a time; 0: all.
    """

    config: StepConfig
    noise_multiplier: float
    people: int
    expected: int
    steps: int
    secret: int
    by: tuple[str, ...] = ("loss",)
    shared: tuple[str, ...] = ()
    mapped: bool = True
    chunk: int = 0

    @property
    def rate(self) -> float:
        """Chance of each person to take part in a step, q."""
        return self.expected / self.people


class BudgetSpent(ValueError):
    """A step would exceed the budget; it was not taken."""


class PrivateStep:
    """A `Step` by one of the private kinds.

    `lasts_to` is the step up to which the budget is known to last; beyond it the account is asked before each
    step, which takes time.

    Parameters
    ----------
    plan : PrivatePlan
        Everything but the state.
    """

    def __init__(self, plan: PrivatePlan) -> None:
        self.plan = plan
        self.account = Account(plan.noise_multiplier, plan.rate, plan.config.delta, plan.config.accountant)
        self.lasts_to = 0
        self.previous: Weights | None = None
        self._last: Terms = {}

    @property
    def sampling(self) -> Poisson:
        """Who takes part in which step."""
        return Poisson(self.plan.people, self.plan.rate, self.plan.secret)

    def gradient(self, work: Work, batches: Iterable[Batch]) -> GradientInfo:
        """Leave the noisy gradient in the weights' `.grad`.

        Parameters
        ----------
        work : Work
            Network, loss, optimizer and devices; `parts` is 1, and `clip` is of no use.
        batches : iterable of dict
            One, of the people whom `sampling` chose, in order; may be without tensors.
        """
        plan, config, done = self.plan, self.plan.config, self.account.steps
        (batch,) = batches
        if config.epsilon is not None and done >= self.lasts_to and not self.account.lasts(config.epsilon, 1):
            raise BudgetSpent(self.spent())
        objective: nn.Module = getattr(work.objective, "module", work.objective)
        weights: Weights = {name: p for name, p in objective.named_parameters() if p.requires_grad}
        by = PerSample(objective, plan.shared, plan.mapped, plan.chunk, work.fabric.autocast)
        keys = keys_of(plan.secret, done, self.sampling.chosen(done))
        if by.count(batch) != len(keys):
            raise ValueError(f"step {done + 1} is of {len(keys)} people, got {by.count(batch)}")
        if self.previous is not None:  # a checkpoint gives it back on the CPU
            self.previous = {name: x.to(weights[name]) for name, x in self.previous.items()}
        found = clipped_sum(by, weights, work.fabric.to_device(batch), config, self.previous, keys)
        noise = self._noise(found.clipped)
        size = plan.noise_multiplier * config.max_grad_norm
        for name, p in weights.items():
            p.grad = ((found.clipped[name] + size * noise[name]) / plan.expected).to(p)
        noisy = {name: p.grad for name, p in weights.items() if p.grad is not None}
        return GradientInfo(self._values(found), float(norm(noisy)))

    def _noise(self, like: Weights) -> Weights:
        if self.plan.config.secure:
            return system_noise(like)
        return noise_of(self.plan.secret, self.account.steps, like)

    def _values(self, found: ClippedSum) -> Terms:
        there = {name: x.float().mean() for name, x in found.values.items()}
        zero = torch.zeros((), device=found.norms.device)
        self._last |= there
        losses = {name: self._last.get(name, zero) for name in self.plan.by}
        people = len(found.norms)
        few = max(1, people)
        return losses | {
            "cosine": cosine(found.clipped, found.raw),
            "relative_bias": relative_bias(found.clipped, found.raw),
            "sample_norm": found.norms.sum() / few,
            "shortened": found.shortened.sum() / few,
            "people": zero + people,
            "epsilon": zero + self.account.shown(self.plan.steps),
            "delta": zero + self.plan.config.delta,
        }

    def spent(self) -> str:
        """The sentence of a budget that does not last for another step."""
        config, account = self.plan.config, self.account
        return (
            f"the budget ε = {config.epsilon:g} is spent already: after {account.steps} steps ε is "
            f"{account.epsilon():.3g} at δ = {config.delta:g}, and {account.epsilon(1):.3g} after one more"
        )

    def update(self, work: Work) -> None:
        """Move the weights, and enter the step into the account.

        Parameters
        ----------
        work : Work
            The same as in `gradient`.
        """
        self.account.add()
        if self.plan.config.kind == "dp-sat":
            objective: nn.Module = getattr(work.objective, "module", work.objective)
            self.previous = {n: p.grad.clone() for n, p in objective.named_parameters() if p.grad is not None}
        work.optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """Account, secret, and the last noisy gradient where it is needed."""
        return {
            "history": [list(part) for part in self.account.history],
            "secret": self.plan.secret,
            "people": self.plan.people,
            "noise_multiplier": self.plan.noise_multiplier,
            "previous": self.previous,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`.

        Parameters
        ----------
        state : dict
            As `state_dict` returned it.
        """
        self.plan = replace(self.plan, secret=int(state["secret"]))
        self.previous = state["previous"]
        self.account.history = [(float(s), float(q), int(n)) for s, q, n in state["history"]]

    def describe(self) -> dict[str, Any]:
        """What a header of weights says of the promise."""
        plan, config = self.plan, self.plan.config
        return {
            "kind": config.kind,
            "epsilon": round(self.account.epsilon(), 6),
            "delta": config.delta,
            "noise_multiplier": plan.noise_multiplier,
            "max_grad_norm": config.max_grad_norm,
            "people": plan.people,
            "sample_rate": plan.rate,
            "steps": self.account.steps,
            "accountant": config.accountant,
            "adjacency": "add or remove one person",
            "seed_known": config.noise_seed is not None,
        }
