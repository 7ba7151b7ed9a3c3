"""How a step makes its gradient: plainly, or in one of three private ways. Plain values of a recipe."""

from dataclasses import dataclass, fields
from typing import Literal

StepKind = Literal["plain", "dp-sgd", "dp-sat", "bam"]
AccountantKind = Literal["rdp", "prv"]
ABOVE_ZERO = ("noise_multiplier", "max_grad_norm", "epsilon", "delta", "radius")


@dataclass(frozen=True)
class StepConfig:
    """The step of a training; everything but `kind` is of private steps alone.

    Parameters
    ----------
    kind : "plain", "dp-sgd", "dp-sat" or "bam"
        The mean gradient; each person's gradient clipped, and noise (Abadi and others 2016); the same where
        the previous noisy gradient leads; or each person's gradient mixed with that at weights moved along it
        (bias-aware minimisation, Knolle and others 2023).
    noise_multiplier : float, optional
        σ: the noise of the sum has a standard deviation of σ C. Default: the smallest with which the steps
        of the training do not exceed `epsilon`.
    max_grad_norm : float
        C: the longest that a person's gradient may be.
    epsilon : float, optional
        The budget at `delta`; no step is taken that would exceed it.
    delta : float
        Chance that the promise of ε does not hold; below one by the number of people.
    alpha : float
        α of "bam": share of the gradient at the moved weights. The λ of the objective is α r.
    radius : float
        How far "bam" moves the weights (r), and "dp-sat" (ρ).
    accountant : "rdp" or "prv"
        What counts ε: Rényi differential privacy; or privacy loss random variables, which are tighter and
        slower.
    chunk : int
        People whose gradients are in memory at a time; 1: one after the other, without `torch.func.vmap`; 0:
        as many as fit into a gigabyte.
    noise_seed : int, optional
        Of noise and sampling, for a training that can be repeated: who knows it can undo the noise, so it
        promises nothing. Default: drawn from the operating system, and kept in the checkpoint only.
    secure : bool
        Noise from the operating system's own generator, each number the sum of four, against attacks on
        generators and on the last bits of floats (Holohan and Braghin 2021). A run that goes on draws other
        noise than an unbroken one.
    """

    kind: StepKind = "plain"
    noise_multiplier: float | None = None
    max_grad_norm: float = 1.0
    epsilon: float | None = None
    delta: float = 1e-5
    alpha: float = 0.8
    radius: float = 0.05
    accountant: AccountantKind = "rdp"
    chunk: int = 0
    noise_seed: int | None = None
    secure: bool = False

    def __post_init__(self) -> None:
        for name in ABOVE_ZERO:
            value = getattr(self, name)
            if value is not None and not 0 < value < float("inf"):
                raise ValueError(f"step.{name} must be above 0, got {value}")
        if self.delta >= 1:
            raise ValueError(f"step.delta is a chance below 1, got {self.delta}")
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"step.alpha is a share from 0 to 1, got {self.alpha}")
        for name in ("chunk", "noise_seed"):
            if (value := getattr(self, name)) is not None and value < 0:
                raise ValueError(f"step.{name} must be at least 0, got {value}")

    @property
    def private(self) -> bool:
        """Whether the weights are to keep a promise of privacy."""
        return self.kind != "plain"

    def require_sense(self) -> None:
        """Raise ValueError for values that say nothing, or nothing complete, together."""
        usual = StepConfig()
        if not self.private:
            for name in (f.name for f in fields(self)):
                if getattr(self, name) != getattr(usual, name):
                    raise ValueError(
                        f"step.{name} is of private training: add --set step.kind=dp-sgd, dp-sat or bam"
                    )
        elif self.noise_multiplier is None and self.epsilon is None:
            raise ValueError(
                "private training needs a budget or a noise: --set step.epsilon=8, or "
                "--set step.noise_multiplier=1.1"
            )
        if self.secure and self.noise_seed is not None:
            raise ValueError("step.secure takes no seed: leave out step.noise_seed")

    def require_plain(self) -> None:
        """Raise ValueError for private steps, where they are not to be had."""
        self.require_sense()
        if self.private:
            raise ValueError(
                f"step.kind={self.kind} is of `sanum train`: fitting chooses states and thresholds by people "
                "whom no account counts"
            )
