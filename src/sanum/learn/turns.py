"""Turns: which weights are moved by which loss, with which optimizer. One network has one, a GAN two."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from .schedule import LoopConfig, OptimizerConfig, rate_at
from .step import Batch, Loss, PlainStep, Step, Terms, Work
from .watch import Watch

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class Turn:
    """One optimizer of a training.

    Parameters
    ----------
    loss : function
        (model, batch) → mean over the samples of the batch, and what it consists of, each a detached scalar.
    name : str
        Names its state in the checkpoint and, where there are several turns, its values in the log.
    modules : tuple of str
        Dotted names of the modules whose weights it moves; none: all. The other weights stand still.
    config : OptimizerConfig, optional
        Optimizer and learning rate; default those of the loop.
    repeats : int
        Updates in each step of the loop, each on a batch of its own (5 for the critic of a WGAN-GP).
    watched : bool
        A loss or a gradient that leaps stops the training. Adversarial losses may leap by nature: with False
        only a value that is no number does.
    step : Step
        How gradients are made and taken; see `learn.step`.
    begin : int
        Step of the loop, counted from 0, from which on it takes part.
    end : int, optional
        Step from which on it takes part no more; default: to the last.
    """

    loss: Loss
    name: str = "main"
    modules: tuple[str, ...] = ()
    config: OptimizerConfig | None = None
    repeats: int = 1
    watched: bool = True
    step: Step = field(default_factory=PlainStep)
    begin: int = 0
    end: int | None = None

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise ValueError(f"turn {self.name}: repeats must be at least 1, got {self.repeats}")

    def takes_part(self, step: int) -> bool:
        """Whether it moves its weights in a step.

        Parameters
        ----------
        step : int
            Of the loop, counted from 0.
        """
        return self.begin <= step and (self.end is None or step < self.end)


def batches_per_step(turns: Sequence[Turn], step: int = 0) -> int:
    """Batches that a step of the loop takes: as many as the turn with the most repeats.

    Turns share batches: one with fewer repeats takes the last ones of the step.

    Parameters
    ----------
    turns : sequence of Turn
        All turns of the training.
    step : int
        Counted from 0.
    """
    return max(turn.repeats for turn in turns if turn.takes_part(step))


def batches_before(turns: Sequence[Turn], step: int) -> int:
    """Batches that all steps before this one take.

    Parameters
    ----------
    turns : sequence of Turn
        All turns of the training.
    step : int
        Counted from 0.
    """
    return sum(batches_per_step(turns, before) for before in range(step))


class RunningTurn:
    """A turn with its optimizer, set up on the devices.

    Parameters
    ----------
    turn : Turn
        What it does.
    fabric : Fabric
        Launched.
    model : Module
        The whole network.
    called : Module
        What the loss gets in its place: the network itself, or the compiled one.
    config : LoopConfig
        Of the loop.
    prefix : str
        Before the names of its values in the log.
    """

    def __init__(
        self,
        turn: Turn,
        fabric: "Fabric",
        model: nn.Module,
        called: nn.Module,
        config: LoopConfig,
        prefix: str = "",
    ) -> None:
        self.turn, self.config, self.prefix = turn, turn.config or config, prefix
        self.steps = config.steps if turn.end is None else min(turn.end, config.steps)
        self.trainable = [p for p in model.parameters() if p.requires_grad]
        own = {id(p) for part in _modules(model, turn) for p in part.parameters()}
        self.weights = [p for p in self.trainable if id(p) in own]
        if not self.weights:
            raise ValueError(f"turn {turn.name}: {', '.join(turn.modules) or 'the network'} has no weights")
        scaled = getattr(fabric.strategy.precision, "scaler", None) is not None
        # Fabric clips no gradients of a fused optimizer if it scales the loss
        self.plain_optimizer = _optimizer(self.weights, self.config, fused=not scaled)
        self.freeze_others()  # for several processes share gradients of what needs them now
        objective, optimizer = fabric.setup(Objective(called, turn.loss), self.plain_optimizer)
        self.unfreeze()
        self.work = Work(fabric, model, objective, optimizer, config.accumulate, self.config.clip)
        self.watch = Watch(scaled=scaled, leaps=turn.watched)

    def freeze_others(self) -> None:
        """Let only this turn's weights have gradients."""
        own = {id(p) for p in self.weights}
        for p in self.trainable:
            p.requires_grad_(id(p) in own)

    def unfreeze(self) -> None:
        """Let all weights have gradients that had them before the training."""
        for p in self.trainable:
            p.requires_grad_(True)

    def rate(self, step: int) -> float:
        """Learning rate of a step.

        Parameters
        ----------
        step : int
            Counted from 0.
        """
        return rate_at(step, self.config, self.steps)

    def gradient(self, step: int, batches: Iterable[Batch]) -> tuple[Terms, float]:
        """Values of this process and the gradient's norm; the gradient is in the weights.

        Parameters
        ----------
        step : int
            Counted from 0.
        batches : iterable of dict
            Micro-batches of one update.
        """
        for group in self.plain_optimizer.param_groups:
            group["lr"] = self.rate(step)
        self.freeze_others()
        info = self.turn.step.gradient(self.work, batches)
        return info.values, info.norm

    def trouble(self, loss: float, norm: float) -> str | None:
        """What is wrong with this update, if anything.

        Parameters
        ----------
        loss : float
            Mean over all processes.
        norm : float
            Of the gradient.
        """
        found = self.watch.trouble(loss, norm)
        return f"{self.prefix.strip()}: {found}" if found and self.prefix else found

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of it."""
        return {
            "optimizer": self.plain_optimizer.state_dict(),
            "step": self.turn.step.state_dict(),
            "recent": list(self.watch.recent),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`.

        Parameters
        ----------
        state : dict
            As `state_dict` returned it.
        """
        self.plain_optimizer.load_state_dict(state["optimizer"])
        self.turn.step.load_state_dict(state["step"])
        self.watch.recent.clear()
        self.watch.recent.extend(state["recent"])


def set_up(
    turns: Sequence[Turn], fabric: "Fabric", model: nn.Module, called: nn.Module, config: LoopConfig
) -> list[RunningTurn]:
    """Turns with their optimizers, in the order given.

    Parameters
    ----------
    turns : sequence of Turn
        At least one; names differ.
    fabric : Fabric
        Launched.
    model : Module
        The whole network.
    called : Module
        What losses get in its place: the network itself, or the compiled one.
    config : LoopConfig
        Of the loop.
    """
    names = [turn.name for turn in turns]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"a training needs turns of different names, got {', '.join(names) or 'none'}")
    for step in {0, *(edge for turn in turns for edge in (turn.begin, turn.end or 0))}:
        if step < config.steps and not any(turn.takes_part(step) for turn in turns):
            raise ValueError(f"no turn takes part in step {step + 1} of the training")
    return [
        RunningTurn(turn, fabric, model, called, config, f"{turn.name} " if len(turns) > 1 else "")
        for turn in turns
    ]


class Objective(nn.Module):
    """Network and loss as one module: its gradients are shared once, however often the network is asked.

    Parameters
    ----------
    model : Module
        The network.
    loss : function
        (model, batch) → loss and terms.
    """

    def __init__(self, model: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.model, self.loss = model, loss

    def forward(self, batch: Batch) -> tuple[torch.Tensor, Terms]:
        """Loss of a batch, and its terms.

        Parameters
        ----------
        batch : dict of tensor
            As the loss wants it.
        """
        return self.loss(self.model, batch)


def _optimizer(weights: list[nn.Parameter], config: OptimizerConfig, *, fused: bool) -> torch.optim.Optimizer:
    """The optimizer of a turn; fused, Adam goes over the weights once instead of eight times."""
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimizer == "rmsprop":
        return torch.optim.RMSprop(weights, lr=rate, alpha=config.betas[1], weight_decay=decay)
    kind = torch.optim.Adam if config.optimizer == "adam" else torch.optim.AdamW
    return kind(weights, lr=rate, betas=config.betas, weight_decay=decay, fused=fused)


def _modules(model: nn.Module, turn: Turn) -> list[nn.Module]:
    try:
        return [model.get_submodule(name) for name in turn.modules] or [model]
    except AttributeError as error:
        raise ValueError(f"turn {turn.name}: the network has no module {error}") from None
