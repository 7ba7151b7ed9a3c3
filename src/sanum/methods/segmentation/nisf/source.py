"""Labelled stacks as endless minibatches of points; the number of latent steps that those held out choose."""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from ....data.folds import hold_out
from ....learn.threads import one_thread
from ...common.recipe import Batch, TrainingSource
from .coordinates import middles_of, points_at, times_of, to_unit
from .latent import CHECKED, Seen, fit_latent
from .loss import UNLABELLED
from .model import Nisf
from .poses import apply_pose, draw_pose
from .stacks import SliceStack, Structures, scaled

if TYPE_CHECKING:
    from .recipe import NisfRecipe

LEAST_HELD = 3
"""Groups below which none is held out."""

JITTER = 1e-4
"""Standard deviation of the noise on coordinates."""


class Sampled:
    """The voxels of a stack that are in the field, by number.

    Parameters
    ----------
    stack : SliceStack
        With or without labels.
    structures : Structures
        Its classes.
    field : (2, 3) array
        Lowest and highest coordinates.
    """

    def __init__(self, stack: SliceStack, structures: Structures, field: np.ndarray[Any, Any]) -> None:
        self.stack = stack
        self.matrix = to_unit(stack.grid) @ stack.grid.affine
        inside = [
            np.flatnonzero((x >= low) & (x <= high))
            for x, low, high in zip(axes_of(stack), field[0], field[1], strict=True)
        ]
        where = (*inside, np.arange(stack.frames))
        self.shape = tuple(len(axis) for axis in where)
        self.axes = where
        unit = scaled(stack.voxels, stack.voxels, stack.name)
        self.image = torch.from_numpy(unit[np.ix_(*where)].reshape(-1))
        labels = np.full(unit.shape, UNLABELLED, np.int16) if stack.labels is None else stack.labels
        self.labels = torch.from_numpy(structures.classes_of(labels[np.ix_(*where)]).reshape(-1))
        self.known = np.flatnonzero(self.labels.numpy() != UNLABELLED)

    def __len__(self) -> int:
        return len(self.image)

    def draw(self, rng: np.random.Generator, count: int) -> np.ndarray[Any, Any]:
        """Numbers of random voxels; of a stack that is labelled in part, half of them from there.

        Parameters
        ----------
        rng : Generator
            Source of randomness.
        count : int
            How many.
        """
        chosen: np.ndarray[Any, Any] = rng.integers(len(self), size=count)
        if 0 < len(self.known) < len(self):
            chosen[: count // 2] = self.known[rng.integers(len(self.known), size=count // 2)]
        return chosen

    def points(self, numbers: np.ndarray[Any, Any]) -> torch.Tensor:
        """Coordinates (N, 5) of voxels.

        Parameters
        ----------
        numbers : (N,) int
            Of the voxels.
        """
        *places, frames = (
            axis[i] for axis, i in zip(self.axes, np.unravel_index(numbers, self.shape), strict=True)
        )
        return points_at(np.stack(places, axis=1), self.matrix, times_of(self.stack.frames)[frames])


def axes_of(stack: SliceStack) -> list[np.ndarray[Any, Any]]:
    """Coordinates along each axis of a stack that is its own frame.

    Parameters
    ----------
    stack : SliceStack
        Any.
    """
    return [middles_of(n) for n in stack.grid.shape]


def field_of(stacks: Sequence[SliceStack], margin: float) -> np.ndarray[Any, Any]:
    """(2, 3) float32: the box of all that is labelled, and a margin.

    Parameters
    ----------
    stacks : sequence of SliceStack
        With labels.
    margin : float
        In coordinates.
    """
    boxes = []
    for stack in stacks:
        if stack.labels is not None and (stack.labels > 0).any():
            places = np.nonzero((stack.labels > 0).any(axis=3))
            boxes.append([axis[[p.min(), p.max()]] for axis, p in zip(axes_of(stack), places, strict=True)])
    found: np.ndarray[Any, Any] = np.array(boxes)
    return np.stack([found[..., 0].min(0) - margin, found[..., 1].max(0) + margin]).astype(np.float32)


class NisfSource(TrainingSource):
    """Stacks to learn from.

    Parameters
    ----------
    recipe : NisfRecipe
        Everything else that decides the weights.
    stacks : sequence of SliceStack
        With labels; at least one voxel of them labelled.
    held : sequence of SliceStack, optional
        To choose the number of latent steps by; default: a share of the groups in `stacks`.

    Raises
    ------
    ValueError
        Labels that are not known; no stack; a stack without labels.
    """

    def __init__(
        self, recipe: "NisfRecipe", stacks: Sequence[SliceStack], held: Sequence[SliceStack] | None = None
    ) -> None:
        if lacking := [s.name for s in stacks if s.labels is None]:
            raise ValueError(f"{lacking[0]} has no labels: expected labels of every stack to learn from")
        if not stacks:
            raise ValueError("there are no stacks: expected at least one to learn from")
        self.recipe = recipe
        self.structures = Structures.of([*stacks, *(held or ())], recipe.labels)
        groups = [s.group for s in stacks]
        kept, out = tuple(range(len(stacks))), tuple[int, ...]()
        if held is None and recipe.hold_out and len(set(groups)) >= LEAST_HELD:
            kept, out = hold_out(groups, recipe.hold_out, seed=recipe.seed)
        self.train = [stacks[n] for n in kept]
        self.held = [stacks[n] for n in out] if held is None else list(held)
        self.field = field_of(self.train, recipe.margin)
        self.sampled = [Sampled(s, self.structures, self.field) for s in self.train]
        self.copies = recipe.poses.copies
        rng = np.random.default_rng([recipe.seed, 0])
        self.poses = [draw_pose(rng, recipe.poses) for _ in range(len(self.train) * self.copies)]
        self.curves: dict[bool, list[tuple[int, float]]] = {False: [], True: []}

    @property
    def subjects(self) -> int:
        """Latents: of each stack, and of its copies."""
        return len(self.train) * self.copies

    def build(self) -> Nisf:
        """The recipe's network, which knows the field."""
        model = self.recipe.build(self.subjects, len(self.structures.values) + 1)
        model.field.copy_(torch.from_numpy(self.field))
        return model

    def batches(self, numbers: Iterator[range]) -> Generator[Batch, None, None]:
        """Batches of the samples with these numbers: points of the n-th subject of endless shuffled rounds.

        Parameters
        ----------
        numbers : iterator of range
            Samples of each batch.
        """
        for samples in numbers:
            items = [self.sample(n) for n in samples]
            yield {key: torch.stack([item[key] for item in items]) for key in items[0]}

    def sample(self, number: int) -> Batch:
        """Points of one subject, with a latent; the first copy of a stack is the stack itself.

        Parameters
        ----------
        number : int
            Of the sample.
        """
        turn, place = divmod(number, self.subjects)
        order = np.random.default_rng([self.recipe.seed, 1, turn]).permutation(self.subjects)
        subject = int(order[place])
        own = self.sampled[subject // self.copies]
        rng = np.random.default_rng([self.recipe.seed, 2, number])
        chosen = own.draw(rng, self.recipe.points)
        points, image = own.points(chosen), own.image[chosen]
        if subject % self.copies:
            pose = self.poses[subject]
            points, image = apply_pose(points, pose), image**pose.gamma
        points[:, :3] += torch.from_numpy(rng.normal(0, JITTER, (len(chosen), 3)).astype(np.float32))
        return {
            "points": points,
            "image": image,
            "labels": own.labels[chosen],
            "subjects": torch.tensor(subject),
        }

    def finish(self, model: nn.Module) -> None:
        """Choose the steps, without the weights and with them: those of the best mean Dice held out.

        Parameters
        ----------
        model : Module
            A `Nisf` in evaluation mode.
        """
        assert isinstance(model, Nisf)
        steps = self.recipe.latent.steps
        checked = sorted({s for s in CHECKED if s < steps} | ({steps} & set(CHECKED)))
        model.steps.fill_(steps)
        if not (self.held and checked):
            return
        with one_thread(), torch.enable_grad():
            for too in (False, True):
                rows = [self._dice_by_step(model, stack, weights_too=too) for stack in self.held]
                means = [float(np.mean([row[step] for row in rows])) for step in checked]
                self.curves[too] = list(zip(checked, means, strict=True))
                model.steps[int(too)] = checked[int(np.argmax(means))]

    def _dice_by_step(self, model: Nisf, stack: SliceStack, *, weights_too: bool) -> dict[int, float]:
        own = Sampled(stack, self.structures, self.field)
        points = own.points(np.arange(len(own)))
        found: dict[int, float] = {}

        def watch(step: int, net: Nisf, latent: torch.Tensor) -> None:
            classes = classes_at(net, points, latent).argmax(-1)
            found[step] = mean_dice(classes, own.labels, len(self.structures.values))

        config = replace(self.recipe.latent, weights_too=weights_too)
        fit_latent(model, Seen(points, own.image), config, config.steps, watch=watch)
        return found

    def describe(self) -> dict[str, Any]:
        """Structures, and who was held out."""
        return {
            "labels": self.structures.values,
            "names": self.structures.names,
            "subjects": self.subjects,
            "stacks": len(self.train),
            "times": max(s.frames for s in self.train),
            "held_out": sorted({s.name for s in self.held}),
        }


CHUNK = 20_000
"""Points of a query that are computed at once."""


@torch.no_grad()
def classes_at(model: Nisf, points: torch.Tensor, latent: torch.Tensor) -> torch.Tensor:
    """Probabilities of the classes at points, (N, classes).

    Parameters
    ----------
    model : Nisf
        Learned.
    points : (N, 5) tensor
        Coordinates.
    latent : (1, width) tensor
        Of the subject.
    """
    device = model.field.device
    parts = [model(part[None].to(device), latent)[1][0].softmax(-1).cpu() for part in points.split(CHUNK)]
    return torch.cat(parts)


def mean_dice(found: torch.Tensor, true: torch.Tensor, structures: int) -> float:
    """Mean Dice of the structures that are in either; points without a label do not count.

    Parameters
    ----------
    found, true : (N,) int tensor
        Classes.
    structures : int
        How many, without the background.
    """
    known = true != UNLABELLED
    found, true = found[known], true[known]
    values = [
        2 * ((found == k) & (true == k)).sum() / total
        for k in range(1, structures + 1)
        if (total := (found == k).sum() + (true == k).sum())
    ]
    return float(torch.stack(values).mean()) if values else float("nan")
