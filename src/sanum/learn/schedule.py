"""How long, how fast and how often: the plan of a training loop, and its learning rate."""

import math
from dataclasses import dataclass, fields
from typing import Literal

LEAST = {
    "steps": 1,
    "accumulate": 1,
    "save_every": 1,
    "sheet_every": 0,
    "warmup": 0,
    "learning_rate": 0,
    "step_at": 0,
    "step_factor": 0,
    "weight_decay": 0,
    "clip": 0,
    "ema": 0,
}


@dataclass(frozen=True)
class OptimizerConfig:
    """One optimizer and its learning rate.

    Parameters
    ----------
    optimizer : "adamw", "adam" or "rmsprop"
        With decoupled weight decay (Loshchilov and Hutter 2019), or with it in the gradient.
    betas : (float, float)
        Decay of the running means of the gradient and of its square. GANs often take 0.5, 0.999. "rmsprop"
        has the second alone.
    learning_rate : float
        Peak of the rate.
    warmup : int
        Steps of linear rise.
    schedule : "cosine", "linear" or "step"
        After the warm-up: half a cosine down to 1 % at the last step; or a straight line down to 0
        after it; or flat, and from `step_at` on times `step_factor` (as published: 1e-4, from step 300,000 on
        1e-5).
    step_at : int
        Step at which the "step" schedule changes its rate.
    step_factor : float
        What the rate is multiplied by from then on.
    weight_decay : float
        Share of the weights, times the rate, that each step takes away.
    clip : float
        Largest norm of the gradient.
    """

    optimizer: Literal["adamw", "adam", "rmsprop"] = "adamw"
    betas: tuple[float, float] = (0.9, 0.99)
    learning_rate: float = 1e-3
    warmup: int = 100
    schedule: Literal["cosine", "linear", "step"] = "cosine"
    step_at: int = 300_000
    step_factor: float = 0.1
    weight_decay: float = 1e-2
    clip: float = 5.0

    def __post_init__(self) -> None:
        for name in (f.name for f in fields(self)):
            value = getattr(self, name)
            if name in LEAST and not value >= LEAST[name]:
                raise ValueError(f"loop.{name} must be at least {LEAST[name]}, got {value}")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"loop.betas must be at least 0 and below 1, got {self.betas}")


@dataclass(frozen=True)
class LoopConfig(OptimizerConfig):
    """How long and how fast; its values as an `OptimizerConfig` are those of every turn without its own.

    Parameters
    ----------
    steps : int
        Of the whole training.
    ema : float
        Decay of the running mean of the weights, reached gradually.
    accumulate : int
        Parts that a step's share of the batch is computed in, one after the other: less memory, same result.
    save_every : int
        Steps between checkpoints.
    sheet_every : int
        Steps between sheets of validation images; 0: none.
    """

    steps: int = 6000
    ema: float = 0.998
    accumulate: int = 1
    save_every: int = 100
    sheet_every: int = 1000

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ema >= 1:
            raise ValueError(f"loop.ema must be below 1, got {self.ema}")


def rate_at(step: int, config: OptimizerConfig, steps: int) -> float:
    """Learning rate of a step.

    Parameters
    ----------
    step : int
        Counted from 0.
    config : OptimizerConfig
        Peak rate and schedule.
    steps : int
        Of the whole training, or of a turn that ends before it.
    """
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    if config.schedule == "step":
        return config.learning_rate * (config.step_factor if step >= config.step_at else 1.0)
    done = (step - config.warmup) / max(1, steps - config.warmup)
    if config.schedule == "linear":
        return config.learning_rate * (1 - min(done, 1.0))
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))
