"""One update of one optimizer: gradient, then step. Replace `PlainStep` to change how gradients are made."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import nn

if TYPE_CHECKING:
    from lightning_fabric import Fabric

Batch = dict[str, torch.Tensor]
Terms = dict[str, torch.Tensor]
Loss = Callable[[nn.Module, Batch], tuple[torch.Tensor, Terms]]


@dataclass(frozen=True, eq=False)
class Work:
    """What a `Step` works with.

    Parameters
    ----------
    fabric : Fabric
        Launched: devices, precision and processes.
    model : Module
        The whole network. Weights of other turns have `requires_grad` False meanwhile.
    objective : Module
        The turn's loss of a batch, as `Loss` returns it; its forward pass is autocast, and shares gradients
        between processes.
    optimizer : Optimizer
        As Fabric has set it up; it holds the weights of this turn only.
    parts : int
        Micro-batches of a step.
    clip : float
        Largest norm of the gradient.
    """

    fabric: "Fabric"
    model: nn.Module
    objective: Any
    optimizer: Any
    parts: int
    clip: float


@dataclass(frozen=True, eq=False)
class GradientInfo:
    """Loss and norm that `Step.gradient` returns.

    Parameters
    ----------
    values : dict of tensor
        Means over this process's micro-batches, each a detached scalar; "loss" comes first.
    norm : float
        Norm of the gradient before it is clipped.
    """

    values: Terms
    norm: float


class Step(Protocol):
    """How one optimizer takes one step. `PlainStep` is the default; private training replaces it.

    Between `gradient` and `update` the loop looks at loss and norm; a step gone wrong gets no `update`.
    What a step remembers (the state of its random generator, a privacy budget) belongs into `state_dict`.
    """

    def gradient(self, work: Work, batches: Iterable[Batch]) -> GradientInfo:
        """Leave the clipped gradient in the weights' `.grad`.

        Parameters
        ----------
        work : Work
            Network, loss, optimizer and devices.
        batches : iterable of dict
            `work.parts` micro-batches, not yet on the device.
        """
        ...

    def update(self, work: Work) -> None:
        """Move the weights.

        Parameters
        ----------
        work : Work
            The same as in `gradient`.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs: plain values and tensors."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`.

        Parameters
        ----------
        state : dict
            As `state_dict` returned it.
        """
        ...


class PlainStep:
    """The mean gradient of the micro-batches, its norm clipped."""

    def gradient(self, work: Work, batches: Iterable[Batch]) -> GradientInfo:
        """Leave the clipped gradient in the weights' `.grad`.

        Parameters
        ----------
        work : Work
            Network, loss, optimizer and devices.
        batches : iterable of dict
            `work.parts` micro-batches, not yet on the device.
        """
        fabric, optimizer = work.fabric, work.optimizer
        optimizer.zero_grad(set_to_none=True)
        rows, terms = [], {}
        for part, batch in enumerate(batches):
            with fabric.no_backward_sync(work.objective, enabled=part + 1 < work.parts):
                value, terms = work.objective(fabric.to_device(batch))
                fabric.backward(value / work.parts)
            rows.append(torch.stack([value.detach(), *terms.values()]).float())
        norm: Any = fabric.clip_gradients(
            work.objective,
            optimizer,
            max_norm=work.clip,
            error_if_nonfinite=False,
        )
        means = torch.stack(rows).mean(0)
        return GradientInfo(dict(zip(["loss", *terms], means, strict=True)), float(norm.item()))

    def update(self, work: Work) -> None:
        """Move the weights.

        Parameters
        ----------
        work : Work
            The same as in `gradient`.
        """
        work.optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        """Nothing: it remembers nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Do nothing.

        Parameters
        ----------
        state : dict
            Empty.
        """
