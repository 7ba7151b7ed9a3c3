"""What a private training has spent: ε at a δ, as opacus's accountants count it (extra `private`).

The promise is about a person who is added or removed, where every step takes each person with a chance of q
(Poisson sampling) and adds noise of σ times the longest gradient.
"""

import warnings
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from ..extras import needs_extra
from .step_config import AccountantKind

History = tuple[tuple[float, float, int], ...]
PARTS = 20  # of a training, after which the slow accountant counts anew for the log
WHO = "private training"


class Account:
    """Steps taken, and what they have spent.

    Parameters
    ----------
    noise_multiplier : float
        σ of the steps to come.
    rate : float
        q of the steps to come.
    delta : float
        δ.
    kind : "rdp" or "prv"
        Accountant of opacus.
    history : iterable of (float, float, int)
        σ, q and number of the steps taken, in order.
    """

    def __init__(
        self,
        noise_multiplier: float,
        rate: float,
        delta: float,
        kind: AccountantKind = "rdp",
        history: Iterable[tuple[float, float, int]] = (),
    ) -> None:
        self.noise_multiplier, self.rate, self.delta, self.kind = noise_multiplier, rate, delta, kind
        self.history = [(float(s), float(q), int(n)) for s, q, n in history]

    @property
    def steps(self) -> int:
        """Steps taken."""
        return sum(n for _, _, n in self.history)

    def add(self) -> None:
        """Note that a step was taken."""
        self.history = self.after(1)

    def after(self, more: int) -> list[tuple[float, float, int]]:
        """What `history` will be after more steps.

        Parameters
        ----------
        more : int
            Steps.
        """
        *before, (sigma, rate, steps) = self.history or [(self.noise_multiplier, self.rate, 0)]
        if (sigma, rate) == (self.noise_multiplier, self.rate):
            return [*before, (sigma, rate, steps + more)]
        return [*self.history, (self.noise_multiplier, self.rate, more)]

    def epsilon(self, more: int = 0) -> float:
        """ε at δ after `more` further steps.

        Parameters
        ----------
        more : int
            Steps.
        """
        history = tuple(self.after(more))
        if not sum(n for _, _, n in history):
            return 0.0
        return _renyi(history, self.delta) if self.kind == "rdp" else _loss_variables(history, self.delta)

    def shown(self, total: int) -> float:
        """ε for a log, after the next step; where counting is slow that of a step up to a twentieth later.

        Parameters
        ----------
        total : int
            Steps of the whole training.
        """
        if self.kind == "rdp":
            return self.epsilon(1)
        part = max(1, total // PARTS)
        return self.epsilon(1 + -(self.steps + 1) % part)

    def lasts(self, budget: float, most: int) -> int:
        """How many further steps do not exceed a budget.

        Parameters
        ----------
        budget : float
            ε.
        most : int
            No more are asked for.
        """
        if most > 0 and self.epsilon(most) <= budget:
            return most
        return bisect_right(range(1, most + 1), budget, key=self.epsilon)


def noise_for(budget: float, delta: float, rate: float, steps: int, kind: AccountantKind = "rdp") -> float:
    """The smallest σ with which steps do not exceed a budget, to a hundredth of ε.

    Parameters
    ----------
    budget : float
        ε.
    delta : float
        δ.
    rate : float
        q.
    steps : int
        How many.
    kind : "rdp" or "prv"
        Accountant of opacus.

    Raises
    ------
    ValueError
        No noise is enough.
    """
    with _opacus():
        from opacus.accountants.utils import get_noise_multiplier

        try:
            return float(
                get_noise_multiplier(
                    target_epsilon=budget,
                    target_delta=delta,
                    sample_rate=rate,
                    steps=steps,
                    accountant=kind,
                    epsilon_tolerance=min(0.01, budget / 100),
                )
            )
        except ValueError as error:
            raise ValueError(
                f"no noise keeps {steps} steps within ε = {budget:g} at δ = {delta:g}: make fewer steps, "
                "or set a larger step.epsilon"
            ) from error


def _renyi(history: History, delta: float) -> float:
    """As opacus's RDPAccountant, but that what a step costs is computed once."""
    with _opacus() as accountants:
        return float(
            accountants.analysis.rdp.get_privacy_spent(
                orders=accountants.RDPAccountant.DEFAULT_ALPHAS,
                rdp=sum(steps * _cost(sigma, rate) for sigma, rate, steps in history),
                delta=delta,
            )[0]
        )


@lru_cache
def _cost(sigma: float, rate: float) -> Any:
    """Rényi divergences of one step, for each order."""
    with _opacus() as accountants:
        orders = accountants.RDPAccountant.DEFAULT_ALPHAS
        return accountants.analysis.rdp.compute_rdp(q=rate, noise_multiplier=sigma, steps=1, orders=orders)


@lru_cache
def _loss_variables(history: History, delta: float) -> float:
    with _opacus() as accountants:
        accountant = accountants.PRVAccountant()
        accountant.history = list(history)
        return float(accountant.get_epsilon(delta=delta))


@contextmanager
def _opacus() -> Iterator[Any]:
    """Its accountants, without the advice that a far tail could be counted more tightly."""
    with needs_extra(WHO, "private"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from opacus import accountants

        yield accountants
