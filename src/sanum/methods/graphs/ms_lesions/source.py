"""Patients with outcomes as endless class-balanced batches, and the state of lowest validation loss."""

import hashlib
from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from ....data.lesion_graphs import PatientLesions, listed
from ....data.stratified import deal_by_strata
from ...common.recipe import Batch, Looks, TrainingSource
from .columns import Encoding, learn_encoding
from .graph import SEEN, Graph, GraphConfig, collate, parts, propagation
from .loss import outcome_loss
from .model import LesionNet

if TYPE_CHECKING:
    from .recipe import LesionGraphRecipe

MOST = 2000
"""Lesions of a patient: a graph holds each pair."""

LARGE = 10
"""Lesions of a patient above which it counts as one of many."""


def graph_of(patient: PatientLesions, encoding: Encoding, config: GraphConfig) -> Graph:
    """A patient as the network sees it.

    Parameters
    ----------
    patient : PatientLesions
        With the columns of the encoding.
    encoding : Encoding
        Of the training.
    config : GraphConfig
        Edges.

    Raises
    ------
    ValueError
        As of `Encoding.encode`; too many lesions.
    """
    if len(patient) > MOST:
        raise ValueError(
            f"{patient.name} has {len(patient)} lesions, expected at most {MOST}: leave out the smallest"
        )
    spread = propagation(patient.centres_mm, config).astype(np.float32)
    outcome = -1 if patient.outcome is None else patient.outcome
    return Graph(torch.from_numpy(encoding.encode(patient)), torch.from_numpy(spread), outcome)


def strata_of(patients: Sequence[PatientLesions], least: int, why: str = "") -> list[tuple[int, bool]]:
    """Outcome of each patient, and whether it has more than 10 lesions.

    Parameters
    ----------
    patients : sequence of PatientLesions
        With outcomes, each of another name.
    least : int
        Patients of each outcome that are needed.
    why : str
        End of the sentence, where there are fewer.

    Raises
    ------
    ValueError
        An outcome that is not known; two patients of one name; too few patients.
    """
    names = [patient.name for patient in patients]
    if twice := [name for n, name in enumerate(names) if name in names[:n]]:
        raise ValueError(f"two patients are called {twice[0]}")
    if unknown := [patient.name for patient in patients if patient.outcome is None]:
        raise ValueError(f"no outcome is known of {listed(unknown)}")
    for outcome in (0, 1):
        there = sum(patient.outcome == outcome for patient in patients)
        if there < least:
            raise ValueError(f"expected {least} or more patients with outcome {outcome}, got {there}{why}")
    return [(int(patient.outcome or 0), len(patient) > LARGE) for patient in patients]


class LesionSource(TrainingSource):
    """Patients to learn from.

    Parameters
    ----------
    recipe : LesionGraphRecipe
        Everything else that decides the weights.
    patients : sequence of PatientLesions
        With outcomes.
    held : sequence of PatientLesions, optional
        To choose the state by; default: a share of `patients`.

    Raises
    ------
    ValueError
        As of `strata_of`; columns that are not there.
    """

    def __init__(
        self,
        recipe: "LesionGraphRecipe",
        patients: Sequence[PatientLesions],
        held: Sequence[PatientLesions] | None = None,
    ) -> None:
        strata = strata_of(patients, 1 if held is not None else 2)
        if held is None:
            out = deal_by_strata(strata, max(2, round(1 / recipe.hold_out)), recipe.seed)[0]
            held = [patients[n] for n in out]
            patients = [patient for n, patient in enumerate(patients) if n not in set(out)]
            strata_of(patients, 1)
        self.recipe, self.patients = recipe, (len(patients), len(held))
        self.encoding, self.notes = learn_encoding(patients, recipe.wanted)
        self.graphs = [graph_of(patient, self.encoding, recipe.graph) for patient in patients]
        self.classes = [[n for n, g in enumerate(self.graphs) if g.outcome == k] for k in (0, 1)]
        self.best = LowestValidation([graph_of(patient, self.encoding, recipe.graph) for patient in held])
        self.digest = _digest([*patients, *held])

    def build(self) -> LesionNet:
        """The recipe's network, for the columns that are used."""
        return LesionNet(self.encoding.size, self.recipe.model)

    def batches(self, numbers: Iterator[range]) -> Generator[Batch, None, None]:
        """Batches of the samples with these numbers.

        Parameters
        ----------
        numbers : iterator of range
            Samples of each batch.
        """
        for samples in numbers:
            batch = collate([self.sample(n) for n in samples])
            yield {**batch, "seed": torch.tensor([samples.start + self.recipe.seed * 10**9])}

    def sample(self, number: int) -> Graph:
        """A patient of either outcome, both as likely, with its coordinates shifted a little.

        Parameters
        ----------
        number : int
            Of the sample.
        """
        rng = np.random.default_rng([self.recipe.seed, number])
        own = self.classes[int(rng.integers(2))]
        graph = self.graphs[own[int(rng.integers(len(own)))]]
        nodes = graph.nodes.clone()  # or the patient would drift
        jitter = rng.uniform(-self.recipe.jitter, self.recipe.jitter, (len(nodes), 3))
        nodes[:, -3:] += torch.from_numpy(jitter.astype(np.float32))
        return Graph(nodes, graph.spread, graph.outcome)

    def looks(self) -> Looks:
        """At validation, every so many steps."""
        return Looks(self.best.look, self.recipe.validate_every, self.best)

    def finish(self, model: nn.Module) -> None:
        """Take the state of lowest validation loss.

        Parameters
        ----------
        model : Module
            A `LesionNet`.
        """
        assert self.best.state is not None  # the last step is always looked at
        model.load_state_dict(self.best.state)

    def describe(self) -> dict[str, Any]:
        """Columns, counts, and a digest of the data; no names of patients."""
        return {
            "encoding": self.encoding.as_list(),
            "patients": self.patients[0],
            "held_out": self.patients[1],
            "data_sha256": self.digest,
        }


class LowestValidation:
    """The state of lowest validation loss; of equal ones the earliest.

    Parameters
    ----------
    graphs : sequence of Graph
        Held out.
    """

    def __init__(self, graphs: Sequence[Graph]) -> None:
        self.parts = parts(graphs)
        self.state: dict[str, torch.Tensor] | None = None
        self.loss, self.step = float("inf"), 0

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
        logits = [
            model(*(part[name].to(device) for name in SEEN)).logits.float().cpu() for part in self.parts
        ]
        loss = float(outcome_loss(torch.cat(logits), torch.cat([part["outcome"] for part in self.parts])))
        if self.state is None or loss < self.loss:
            self.state = {name: x.detach().cpu().clone() for name, x in model.state_dict().items()}
            self.loss, self.step = loss, step

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors, for the checkpoint."""
        return {"state": self.state, "loss": self.loss, "step": self.step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`.

        Parameters
        ----------
        state : dict
            As `state_dict` returned it.
        """
        self.state, self.loss, self.step = state["state"], state["loss"], state["step"]


def _digest(patients: Sequence[PatientLesions]) -> str:
    found = hashlib.sha256()
    for patient in patients:
        found.update(repr((patient.name, patient.outcome, patient.centres_mm.tolist())).encode())
        found.update(repr([(name, cells.tolist()) for name, cells in patient.columns.items()]).encode())
    return found.hexdigest()
