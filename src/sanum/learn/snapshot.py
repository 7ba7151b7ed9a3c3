"""The state before a step, so that a step gone wrong leaves nothing behind.

A step with one update changes only buffers before its loss is known to be good (batch norm, in the forward
pass); so only they are copied. Where a step makes several updates, those before the bad one have moved
weights: then weights and optimizers are copied as well, each step: 12 bytes a parameter with Adam in float32.
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from .turns import RunningTurn

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Snapshot:
    """What a step may change.

    Parameters
    ----------
    fabric : Fabric
        Its loss scale, if any, belongs to it.
    model : Module
        The network.
    """

    def __init__(self, fabric: "Fabric", model: nn.Module) -> None:
        self.fabric, self.model = fabric, model
        self.turns: Sequence[RunningTurn] = ()
        self.whole = False
        self.tensors: dict[str, torch.Tensor] = {}
        self.state: dict[str, Any] = {}

    def _own(self) -> dict[str, torch.Tensor]:
        moved = {id(p) for turn in self.turns for p in turn.weights} if self.whole else set()
        weights = {name: p for name, p in self.model.named_parameters() if id(p) in moved}
        return {**weights, **dict(self.model.named_buffers())}

    @torch.no_grad()
    def take(self, turns: Sequence[RunningTurn]) -> None:
        """Remember the state as it is now.

        Parameters
        ----------
        turns : sequence of RunningTurn
            Those that take part in the step.
        """
        self.turns, self.whole = turns, sum(turn.turn.repeats for turn in turns) > 1
        for name, x in self._own().items():
            if name in self.tensors:
                self.tensors[name].copy_(x)
            else:
                self.tensors[name] = x.detach().clone()
        self.state = {turn.turn.name: self._state_of(turn) for turn in self.turns}
        if self.whole:
            self.state["scaler"] = deepcopy(self.fabric.strategy.precision.state_dict())

    @torch.no_grad()
    def restore(self) -> None:
        """Bring back the state that was remembered."""
        for name, x in self._own().items():
            x.copy_(self.tensors[name])
        for turn in self.turns:
            kept = self.state[turn.turn.name]
            if self.whole:
                turn.load_state_dict(kept)
            else:
                turn.turn.step.load_state_dict(kept)
        if self.whole:
            self.fabric.strategy.precision.load_state_dict(self.state["scaler"])

    def _state_of(self, turn: RunningTurn) -> dict[str, Any]:
        return deepcopy(turn.state_dict() if self.whole else turn.turn.step.state_dict())
