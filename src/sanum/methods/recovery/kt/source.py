"""Samples without end, of made-up phantoms or a user's raw data, and the state of lowest validation loss."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from ....data.raw import RawMovie, raw_files, read_raw
from ....kspace.coils import normalized
from ....kspace.fourier import ifft
from ....kspace.sense import image_of
from ....scan.bids import labels_of
from ....scan.names import printable
from ...common.recipe import Batch, Looks, TrainingSource
from .loss import recovery_loss
from .model import KtNet
from .sampling import collated, made_up_sample, random_mask

if TYPE_CHECKING:
    from .recipe import KtRecipe

MADE_UP = "phantoms"
"""In the place of a folder: phantoms, and no data at all."""
TRAIN, VALIDATION = 0, 1


def fully_sampled(data: Path) -> dict[str, list[RawMovie]]:
    """Raw data of a folder or file to learn from, by subject: the label `sub` of a name, or else all of it.

    Parameters
    ----------
    data : Path
        Folder, which is searched, or a file.

    Raises
    ------
    ValueError
        Raw data that are not fully sampled, or differ in shape; several coils without maps; fewer than two
        subjects, of whom one is held out; what `read_raw` refuses.
    """
    if not data.exists():
        raise ValueError(f"{data} is not there: expected a folder of raw data, or the word {MADE_UP}")
    found = [(path, read_raw(path)) for path in raw_files([data])]
    shapes = {raw.kspace.shape[2:] for _, raw in found}
    if len(shapes) > 1:
        raise ValueError(f"raw data to learn from differ in frames, lines or samples: {sorted(shapes)}")
    subjects: dict[str, list[RawMovie]] = {}
    for path, raw in found:
        name = printable(path.name)
        subjects.setdefault(labels_of(path).get("sub", path.stem), []).append(raw)
        if not raw.mask.all():
            raise ValueError(f"{name} is not fully sampled: leave it out")
        if raw.maps is None and raw.kspace.shape[1] > 1:
            raise ValueError(f"{name} has {raw.kspace.shape[1]} coils and no maps: put them into the file")
    if len(subjects) < 2:
        raise ValueError("expected raw data of at least two subjects, of whom one is held out")
    return dict(sorted(subjects.items()))


class KtSource(TrainingSource):
    """What a recipe of kt learns from.

    Parameters
    ----------
    recipe : KtRecipe
        How.
    data : Path
        The word `MADE_UP`, or raw data; the last fifth of the subjects, by their names, is held out.
    """

    def __init__(self, recipe: "KtRecipe", data: Path) -> None:
        self.recipe = recipe
        made_up = str(data) == MADE_UP and not data.exists()
        subjects = [] if made_up else list(fully_sampled(data).values())
        first = len(subjects) - -(-len(subjects) // 5)
        self.raws = {
            part: [raw for subject in some for raw in subject]
            for part, some in ((TRAIN, subjects[:first]), (VALIDATION, subjects[first:]))
        }
        held = [self.sample(n, VALIDATION) for n in range(recipe.validation)]
        self.best = LowestRecoveryLoss(collated(held), recipe.batch_size)

    def build(self) -> KtNet:
        """Network with its initial weights."""
        return KtNet(self.recipe.model)

    def batches(self, numbers: Iterator[range]) -> Generator[Batch, None, None]:
        """Batches, of a sample for each number.

        Parameters
        ----------
        numbers : iterator of range
            Samples of each micro-batch.
        """
        for these in numbers:
            yield collated([self.sample(n, TRAIN) for n in these])

    def sample(self, number: int, part: int) -> Batch:
        """One sample; it depends on seed, part and number alone.

        Parameters
        ----------
        number : int
            Of the sample.
        part : int
            `TRAIN` or `VALIDATION`.
        """
        rng = np.random.default_rng([self.recipe.seed, part, number])
        config, raws = self.recipe.sampling, self.raws[part]
        if not raws:
            return made_up_sample(config, rng)
        raw = raws[int(rng.integers(len(raws)))]
        z = int(rng.integers(len(raw.kspace)))
        full = ifft(torch.from_numpy(raw.kspace[z]), -1)
        maps = torch.ones_like(full[:, 0]) if raw.maps is None else normalized(torch.from_numpy(raw.maps[z]))
        first = int(rng.integers(max(full.shape[3] - config.columns, 0) + 1))
        full, maps = (x[..., first : first + config.columns] for x in (full, maps))
        mask = random_mask(full.shape[1], full.shape[2], config, rng)
        return {"kspace": full * mask[:, :, None], "maps": maps, "mask": mask, "truth": image_of(full, maps)}

    def looks(self) -> Looks:
        """At validation, every so many steps."""
        return Looks(self.best.look, self.recipe.validate_every, self.best)

    def finish(self, model: nn.Module) -> None:
        """Take the state of lowest validation loss.

        Parameters
        ----------
        model : Module
            A `KtNet`.
        """
        assert self.best.state is not None  # the last step is always looked at
        model.load_state_dict(self.best.state)

    def describe(self) -> dict[str, Any]:
        """Counts of files; no names."""
        trained, held = (len(self.raws[part]) for part in (TRAIN, VALIDATION))
        return {"data": "raw data" if trained else "made-up phantoms", "files": trained, "held_out": held}


class LowestRecoveryLoss:
    """The state of lowest validation loss; of equal ones the earliest.

    Parameters
    ----------
    held : dict of tensor
        A batch that is not trained on.
    at_once : int
        Samples that are computed together.
    """

    def __init__(self, held: Batch, at_once: int) -> None:
        self.held, self.at_once = held, at_once
        self.state: dict[str, torch.Tensor] | None = None
        self.lowest, self.step = float("inf"), 0

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
        device = next(model.parameters()).device
        parts = zip(*(x.to(device).split(self.at_once) for x in self.held.values()), strict=True)
        losses = []
        for part in parts:
            one = dict(zip(self.held, part, strict=True))
            found = model(one["kspace"], one["maps"], one["mask"])
            losses.append(float(recovery_loss(found, one["truth"])) * len(found))
        loss = sum(losses) / len(self.held["mask"])
        if self.state is None or loss < self.lowest:
            self.state = {name: x.detach().cpu().clone() for name, x in model.state_dict().items()}
            self.lowest, self.step = loss, step

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors, for the checkpoint."""
        return {"state": self.state, "lowest": self.lowest, "step": self.step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`.

        Parameters
        ----------
        state : dict
            As `state_dict` returned it.
        """
        self.state, self.lowest, self.step = state["state"], state["lowest"], state["step"]
