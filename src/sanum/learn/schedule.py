"""How long, how fast and how often: the plan of a training loop, and its learning rate."""

import math
from dataclasses import dataclass
from typing import Literal

LEAST = {
    "steps": 1, "accumulate": 1, "save_every": 1, "sheet_every": 0, "warmup": 0, "learning_rate": 0,
    "step_at": 0, "step_factor": 0, "weight_decay": 0, "clip": 0, "ema": 0,
}  # fmt: skip


@dataclass(frozen=True)
class LoopConfig:
    """How long and how fast.

    Parameters
    ----------
    steps : int
    learning_rate : float
        Peak of AdamW's rate.
    warmup : int
        Steps of linear rise.
    schedule : "cosine" or "step"
        After the warm-up: half a cosine down to 1 % at the last step; or flat, and from `step_at` on times
        `step_factor` (as published: 1e-4, from step 300,000 on 1e-5).
    step_at, step_factor : int, float
    weight_decay : float
    clip : float
        Largest norm of the gradient.
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
    learning_rate: float = 1e-3
    warmup: int = 100
    schedule: Literal["cosine", "step"] = "cosine"
    step_at: int = 300_000
    step_factor: float = 0.1
    weight_decay: float = 1e-2
    clip: float = 5.0
    ema: float = 0.998
    accumulate: int = 1
    save_every: int = 100
    sheet_every: int = 1000

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            if not getattr(self, name) >= least:
                raise ValueError(f"loop.{name} must be at least {least}, got {getattr(self, name)}")
        if self.ema >= 1:
            raise ValueError(f"loop.ema must be below 1, got {self.ema}")


def rate_at(step: int, config: LoopConfig) -> float:
    """Learning rate of a step."""
    if step < config.warmup:
        return config.learning_rate * (step + 1) / config.warmup
    if config.schedule == "step":
        return config.learning_rate * (config.step_factor if step >= config.step_at else 1.0)
    done = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))
