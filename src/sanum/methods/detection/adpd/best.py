"""The state of a training that validation chooses."""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ....metrics.boxes import BoxTable, measure_boxes
from ...common.recipe import Batch
from .answers import answers

if TYPE_CHECKING:
    from .recipe import AdpdRecipe
    from .source import XrayStack

CHUNK = 16
"""Pictures of validation at once."""


class BestState:
    """The state of lowest validation loss, or of highest mAP; of equal ones the earliest; nan is the worst.

    Parameters
    ----------
    recipe : AdpdRecipe
        Says which.
    held : source.XrayStack
        Held out.
    """

    def __init__(self, recipe: "AdpdRecipe", held: "XrayStack") -> None:
        self.recipe, self.held = recipe, held
        self.state: dict[str, torch.Tensor] | None = None
        self.value, self.step = float("inf"), 0

    @torch.no_grad()
    def look(self, model: nn.Module, step: int) -> None:
        """Measure a state.

        Parameters
        ----------
        model : Module
            In evaluation mode.
        step : int
            Steps done.
        """
        value = -self._precision(model) if self.recipe.choose == "map" else self._loss(model)
        value = float("inf") if math.isnan(value) else value
        if self.state is None or value < self.value:
            self.state = {name: x.detach().cpu().clone() for name, x in model.state_dict().items()}
            self.value, self.step = value, step

    def _parts(self, model: nn.Module) -> Iterator[tuple[range, Batch]]:
        device = next(model.parameters()).device
        for first in range(0, len(self.held), CHUNK):
            chosen = range(first, min(first + CHUNK, len(self.held)))
            yield chosen, {name: x.to(device) for name, x in self.held.batch(chosen).items()}

    def _loss(self, model: nn.Module) -> float:
        total = 0.0
        for chosen, batch in self._parts(model):
            total += float(self.recipe.objective(model, batch)[0]) * len(chosen)
        return total / len(self.held)

    def _precision(self, model: nn.Module) -> float:
        found, scores = [], []
        for chosen, batch in self._parts(model):
            for n, one in zip(chosen, answers(model, batch["pixels"], self.recipe.inference), strict=True):
                found += [(n, s.finding, s.box) for s in one.spotted]
                scores += [s.score for s in one.spotted]
        true = [
            (n, int(row[0]), [row[1] - row[3] / 2, row[2] - row[4] / 2, row[3], row[4]])
            for n, rows in enumerate(self.held.boxes.tolist())
            for row in rows
            if row[0] >= 0
        ]
        names = [str(k) for k in range(self.held.labels.shape[1])]
        rows = measure_boxes(
            BoxTable.of(true), BoxTable.of(found, scores), names, range(len(self.held)), resamples=0
        )
        return rows[-1].numbers["mAP"].value

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors, for the checkpoint."""
        return {"state": self.state, "value": self.value, "step": self.step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`.

        Parameters
        ----------
        state : dict
            As `state_dict` returned it.
        """
        self.state, self.value, self.step = state["state"], state["value"], state["step"]
