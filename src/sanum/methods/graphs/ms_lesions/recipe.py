"""Recipes of the lesion graph: `ms-lesions`, and `ms-lesions-ungated` with the pruning as published.

Paper     Prabhakar et al., MICCAI 2023; departures in README.md
Command   sanum train ms-lesions --data lesions.tsv -o OUT
Hardware  one thread of a core that others used too
Reached   README.md; there are no outcomes here, so no weights ship
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from ....data.lesion_graphs import PatientLesions, read_patients
from ....learn.draws import drawn_from
from ....learn.overrides import flat
from ....learn.schedule import LoopConfig
from ...common.recipe import Batch, Recipe
from .graph import SEEN, GraphConfig
from .loss import outcome_loss
from .model import LesionNetConfig
from .source import LesionSource

LOOP = LoopConfig(
    steps=1500,
    learning_rate=3e-3,
    warmup=0,
    schedule="step",
    step_at=10**9,
    betas=(0.9, 0.999),
    ema=0.0,
    sheet_every=0,
    save_every=500,
)
"""1,500 steps of 16 are 100 rounds of 240 patients."""


@dataclass(frozen=True)
class LesionGraphRecipe(Recipe):
    """Recipe of the network `LesionNet`.

    Parameters
    ----------
    outcomes : str
        Table of the outcomes, in the folder of the table of lesions.
    outcome : str
        Its column of outcomes, 0 or 1.
    columns : str
        Columns of the table of lesions that the network sees, with commas between; empty: all but those
        that name the patient and the lesion, and its places.
    jitter : float
        Largest shift of a coordinate of a lesion in training, in 128 mm.
    hold_out : float
        Share of the patients that the state is chosen by, where none are given.
    validate_every : int
        Steps between two looks at validation.
    graph : GraphConfig
        Edges.
    model : LesionNetConfig
        Network and pruning.
    """

    method: ClassVar[str] = "ms-lesions"
    seed: int = 42
    batch_size: int = 16
    workers: int = 0
    loop: LoopConfig = LOOP
    outcomes: str = "outcomes.tsv"
    outcome: str = "outcome"
    columns: str = ""
    jitter: float = 0.02
    hold_out: float = 0.1
    validate_every: int = 15
    graph: GraphConfig = field(default_factory=GraphConfig)
    model: LesionNetConfig = field(default_factory=LesionNetConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.jitter >= 0:
            raise ValueError(f"jitter must be at least 0, got {self.jitter}")
        if not 0 < self.hold_out <= 0.5:
            raise ValueError(f"hold_out must be above 0 and at most 0.5, got {self.hold_out}")
        if self.validate_every < 1:
            raise ValueError(f"validate_every must be at least 1, got {self.validate_every}")

    @property
    def wanted(self) -> list[str]:
        """Names in `columns`."""
        return [name.strip() for name in self.columns.split(",") if name.strip()]

    def read(self, data: Path) -> list[PatientLesions]:
        """Patients with outcomes.

        Parameters
        ----------
        data : Path
            Table of lesions, or a folder with `lesions.tsv`; the outcomes lie beside it.

        Raises
        ------
        ValueError
            As of `data.lesion_graphs.read_patients`.
        """
        table = data / "lesions.tsv" if data.is_dir() else data
        return read_patients(table, table.parent / self.outcomes, self.outcome)

    def check(self, data: Path) -> list[str]:
        """Sentences on columns that are left out, and values that are missing.

        Parameters
        ----------
        data : Path
            As of `read`.
        """
        return LesionSource(self, self.read(data)).notes

    def prepare(
        self, data: Path, cache: Path, on_prepare: Callable[[int, int], None] | None = None
    ) -> LesionSource:
        """Read the tables.

        Parameters
        ----------
        data : Path
            As of `read`.
        cache : Path
            Not needed.
        on_prepare : function, optional
            Not called: it takes no time.
        """
        return LesionSource(self, self.read(data))

    def loss(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Cross-entropy of a batch; what dropout draws is decided by the batch.

        Parameters
        ----------
        model : Module
            A `LesionNet`.
        batch : dict of tensor
            Of `graph.collate`, with "seed" (1,).
        """
        with drawn_from(int(batch["seed"]), batch["seed"].device):
            answer = model(*(batch[name] for name in SEEN))
        return outcome_loss(answer.logits, batch["outcome"]), {}

    def describe(self) -> dict[str, Any]:
        """Method and configuration: enough to build the network again, with its columns."""
        return {**super().describe(), "config": flat(self)}


RECIPES = {
    "ms-lesions": LesionGraphRecipe("ms-lesions"),
    "ms-lesions-ungated": LesionGraphRecipe("ms-lesions-ungated", model=LesionNetConfig(gated=False)),
}
