"""A detector whose network a recipe builds and trains: what `cae`, `ssae` and others are made of."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from ...learn.draws import drawn_from
from ...learn.threads import one_thread
from ...metrics.ranking import auc
from ...weights.file import WeightsError
from .detector import Detector
from .detector_recipe import DetectorRecipe
from .findings import LABEL_FREE, LABELS, Chosen, Held, Learned, OnStep, State
from .likeness import Likeness, made_of_codes
from .network_training import digest_of, learned
from .picture_recipe import PictureSourceOfBatches
from .pooling import pooled
from .recipe import Looks
from .squares import BATCH, SquareStack


class NetworkDetector(Detector):
    """A network with a recipe.

    Parameters
    ----------
    config : DetectorRecipe
        Its class says which method this is.
    device : str
        A torch device.
    """

    def __init__(self, config: DetectorRecipe, *, device: str = "cpu") -> None:
        super().__init__(config, device=device)
        self.recipe: DetectorRecipe = config
        self.method = config.method  # type: ignore[misc]
        self.net: nn.Module | None = None

    @property
    def not_exported(self) -> str:
        """As the recipe says."""
        return str(self.config.not_exported)

    def learn(self, train: SquareStack, held: Held | None, on_step: OnStep | None) -> dict[str, Chosen]:
        """Train; of the states that are looked at the best are kept, see `Best`.

        Parameters
        ----------
        train : SquareStack
            Normals.
        held : Held or None
            Validation.
        on_step : function, optional
            Called after each step.
        """
        (learned_alone,) = self.learn_each(train, [held], on_step)
        return learned_alone.choices

    def learn_each(
        self, train: SquareStack, helds: Sequence[Held | None], on_step: OnStep | None
    ) -> list[Learned]:
        """Train once; every validation looks at the same states.

        Parameters
        ----------
        train : SquareStack
            Normals.
        helds : sequence of Held or None
            Validation sets.
        on_step : function, optional
            Called after each step.
        """
        recipe = self.recipe = self.config
        source = recipe.source(train)
        source.alone = None in helds
        normals = next((held.normals for held in helds if held is not None), None)
        bests = Bests([Best(source, held) for held in helds], Likeness(recipe, train, normals))
        looks = Looks(bests.look, recipe.validate_every or recipe.loop.steps, bests)
        last = learned(
            source,
            recipe,
            looks,
            precision=recipe.precision,
            data={"pictures": digest_of(train, helds)},
            folder=self.folder,
            device=self.device,
            on_step=on_step,
        )
        told, rows = bests.likeness.facts(), bests.likeness.rows
        return [
            Learned(
                {
                    how: replace(one, facts={**one.facts, **told})
                    for how, one in best.choices(last, recipe.loop.steps).items()
                },
                [*rows, *best.history],
            )
            for best in bests.each
        ]

    def adopt(self, state: State) -> None:
        """Build the network, if it is not there, and give it these weights.

        Parameters
        ----------
        state : dict of tensor
            Of the recipe's network.
        """
        self.recipe = self.config
        with drawn_from(0):  # what is drawn is replaced
            net = self.recipe.build(self.channels or 1)
        try:
            net.load_state_dict(state)
        except RuntimeError as error:
            raise WeightsError(f"other names or shapes: {str(error).splitlines()[-1].strip()}") from error
        self.net = net.to(self.device).eval()

    def respond(self, pixels: torch.Tensor, valid: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """What the recipe makes of its network's answer.

        Parameters
        ----------
        pixels : (B, C, S, S) float32
            In [0, 1].
        valid : (B, S, S) bool
            Pixels that count.
        """
        assert self.net is not None
        return self.recipe.respond(self.net, self.recipe.seen(pixels), valid)

    def reconstruct(self, pixels: torch.Tensor, valid: torch.Tensor) -> torch.Tensor | None:
        """What the recipe's network makes of images, in [0, 1] again.

        Parameters
        ----------
        pixels : (B, C, S, S) float32
            In [0, 1].
        valid : (B, S, S) bool
            Pixels that count.
        """
        assert self.net is not None
        made = self.recipe.reconstruct(self.net, self.recipe.seen(pixels), valid)
        return (made + 1) / 2 if made is not None and self.config.picture.signed else made

    def generated(self, count: int) -> torch.Tensor | None:
        """What the recipe's generator makes of fixed codes, in [0, 1].

        Parameters
        ----------
        count : int
            How many.
        """
        assert self.net is not None
        with one_thread():
            return made_of_codes(self.recipe, self.net, count)


class Best:
    """The best states: of largest validation AUC, and of smallest mean score, or loss, of validation normals.

    The first needs labels. Only a better state replaces one, so of equal ones the earliest is kept.

    Parameters
    ----------
    source : PictureSourceOfBatches
        What is learned from.
    held : Held or None
        Validation; without it the last state is taken.
    """

    def __init__(self, source: PictureSourceOfBatches, held: Held | None) -> None:
        self.source, self.held = source, held
        self.recipe: DetectorRecipe = source.recipe  # type: ignore[assignment]  # a detector made the source
        self.history: list[dict[str, float]] = []
        self.best: dict[str, tuple[float, Chosen]] = {}

    def look(self, model: nn.Module, step: int) -> None:
        """Measure a state on validation.

        Parameters
        ----------
        model : Module
            In evaluation mode, finished by its source.
        step : int
            Steps done.
        """
        if self.held is None:
            return
        self._compare(model, self.held)
        scores = scores_of(self.recipe, model, self.held.stack)
        losses = losses_of(self.recipe, model, self.held.normals)
        normal = scores[self.held.labels == 0] if losses is None else losses
        row = {"step": float(step), "normal_score": float(normal.mean())}
        values = {LABEL_FREE: -row["normal_score"]}
        if self.held.has_both:
            row["auc"] = values[LABELS] = auc(scores, self.held.labels)
        self.history.append(row)
        for how, value in values.items():
            if how not in self.best or value > self.best[how][0]:
                state = {name: x.detach().cpu().clone() for name, x in model.state_dict().items()}
                self.best[how] = value, Chosen(state, facts={**row, "step": step})

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors, for the checkpoint."""
        best = {
            how: {"value": float(value), "state": one.state, "facts": dict(one.facts)}
            for how, (value, one) in self.best.items()
        }
        return {"history": self.history, "best": best}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`.

        Parameters
        ----------
        state : dict
            As `state_dict` returned it.
        """
        self.history = list(state["history"])
        self.best = {
            how: (one["value"], Chosen(one["state"], facts=one["facts"]))
            for how, one in state["best"].items()
        }

    def choices(self, last: State, steps: int) -> dict[str, Chosen]:
        """What was kept, by how it was chosen; without validation the last state.

        Parameters
        ----------
        last : dict of tensor
            State after the last step.
        steps : int
            Of the training.
        """
        kept = {how: one for how, (_, one) in self.best.items()}
        if kept:
            return kept
        if self.held is not None:
            last = self._compared(last, self.held)
        one = Chosen({name: x.detach().cpu().clone() for name, x in last.items()}, facts={"step": steps})
        return (
            {LABEL_FREE: one, LABELS: one}
            if self.held is not None and self.held.has_both
            else {LABEL_FREE: one}
        )

    @torch.no_grad()
    def _compare(self, model: nn.Module, held: Held) -> None:
        self.recipe.compare(model, self.recipe.parts(held.normals, next(model.parameters()).device))

    def _compared(self, state: State, held: Held) -> State:
        with drawn_from(0):  # what is drawn is replaced
            net = self.recipe.build(held.stack.channels)
        net.load_state_dict(state)
        self._compare(net.eval(), held)
        return net.state_dict()


class Bests:
    """The best states for each of several validations that look at one training.

    Parameters
    ----------
    each : sequence of Best
        At least one, of one source.
    likeness : Likeness
        Of what a generator makes, if there is one.
    """

    def __init__(self, each: Sequence[Best], likeness: Likeness) -> None:
        self.each, self.likeness = each, likeness

    def look(self, model: nn.Module, step: int) -> None:
        """Measure a state on every validation, in single precision: so it scores once it is fitted.

        Parameters
        ----------
        model : Module
            In evaluation mode; may be changed, see `TrainingSource.finish`.
        step : int
            Steps done.
        """
        with torch.autocast(next(model.parameters()).device.type, enabled=False):
            self._look(model, step)

    def _look(self, model: nn.Module, step: int) -> None:
        self.likeness.look(model, step)
        first = self.each[0]
        if not first.recipe.validate_every or step <= first.recipe.validate_after:
            return
        if any(best.held is not None for best in self.each):
            first.source.finish(model)
        for best in self.each:
            best.look(model, step)

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors, for the checkpoint."""
        return {"each": [best.state_dict() for best in self.each], "likeness": self.likeness.rows}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`.

        Parameters
        ----------
        state : dict
            As `state_dict` returned it.
        """
        for best, one in zip(self.each, state["each"], strict=True):
            best.load_state_dict(one)
        self.likeness.rows = list(state.get("likeness", []))


@torch.no_grad()
def scores_of(
    recipe: DetectorRecipe, model: nn.Module, stack: SquareStack
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Scores of squares by a network.

    Parameters
    ----------
    recipe : DetectorRecipe
        Of the method.
    model : Module
        In evaluation mode, on its device.
    stack : SquareStack
        The squares.
    """
    device = next(model.parameters()).device
    rows = []
    for part in stack.parts(BATCH):
        valid = part.valid.to(device)
        maps, own = recipe.respond(model, recipe.seen(part.pixels.to(device)), valid)
        if own is None or recipe.pooling.kind != "own":
            own = pooled(maps, valid, recipe.pooling)
        rows.append(own)
    found: np.ndarray[Any, np.dtype[np.float64]] = torch.cat(rows).double().cpu().numpy()
    return found


@torch.no_grad()
def losses_of(
    recipe: DetectorRecipe, model: nn.Module, stack: SquareStack
) -> np.ndarray[Any, np.dtype[np.float64]] | None:
    """`DetectorRecipe.normal_loss` of squares, if the recipe has one.

    Parameters
    ----------
    recipe : DetectorRecipe
        Of the method.
    model : Module
        In evaluation mode, on its device.
    stack : SquareStack
        The squares.
    """
    device = next(model.parameters()).device
    rows = []
    for part in stack.parts(BATCH):
        row = recipe.normal_loss(model, recipe.seen(part.pixels.to(device)), part.valid.to(device))
        if row is None:
            return None
        rows.append(row)
    found: np.ndarray[Any, np.dtype[np.float64]] = torch.cat(rows).double().cpu().numpy()
    return found
