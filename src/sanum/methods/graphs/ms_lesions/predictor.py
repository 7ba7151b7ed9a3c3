"""The method as one uses it: learn from patients with outcomes, predict others, say which lesions count."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch

from ....data.lesion_graphs import PatientLesions
from ....files import sha256
from ....learn.draws import drawn_from
from ....learn.overrides import override, rebuilt
from ....learn.threads import one_thread
from ....weights.file import load_weights, save_weights, weights_of
from ...common.findings import OnStep
from ...common.network_training import learned
from .columns import Encoding
from .crossval import CrossValidation, crossval
from .graph import SEEN, parts
from .model import LesionNet
from .recipe import LesionGraphRecipe
from .source import LesionSource, graph_of


@dataclass(frozen=True, eq=False)
class ActivityFinding:
    """What is said of a patient.

    Parameters
    ----------
    name : str
        Of the patient.
    probability : float
        Of outcome 1, as if both were as frequent.
    lesions : tuple of str
        Names of the lesions.
    importance : (N,) float64
        Score of each lesion, in (0, 1).
    kept : (N,) bool
        Lesions that the probability is made of.
    """

    name: str
    probability: float
    lesions: tuple[str, ...]
    importance: npt.NDArray[np.float64]
    kept: npt.NDArray[np.bool_]


class LesionGraphs:
    """A network of lesion graphs, learned or not yet.

    Parameters
    ----------
    config : LesionGraphRecipe
        Frozen; decides everything but the data.
    device : str
        A torch device.
    """

    method: ClassVar[str] = "ms-lesions"

    def __init__(self, config: LesionGraphRecipe, *, device: str = "cpu") -> None:
        self.config, self.device = config, device
        self.net: LesionNet | None = None
        self.encoding = Encoding(())
        self.about: dict[str, Any] = {}
        self.notes: tuple[str, ...] = ()
        self.weights_name = self.weights_sha256 = ""

    def with_settings(self, *settings: str) -> Self:
        """Another one with other values in its configuration; it has learned nothing.

        Parameters
        ----------
        *settings : str
            As `--set` takes them, such as "model.gated=false".

        Raises
        ------
        ValueError
            No such key, or no such value.
        """
        return type(self)(override(self.config, settings), device=self.device)

    def fit(
        self,
        patients: Sequence[PatientLesions],
        *,
        held: Sequence[PatientLesions] | None = None,
        folder: Path | None = None,
        on_step: OnStep | None = None,
    ) -> Self:
        """Learn; of the states that are looked at, that of lowest loss on those held out is kept.

        Parameters
        ----------
        patients : sequence of PatientLesions
            With outcomes.
        held : sequence of PatientLesions, optional
            To choose the state by; default a share of `patients`.
        folder : Path, optional
            Of the run, which goes on from there when it was stopped; default a temporary one.
        on_step : function, optional
            Called after each step.

        Raises
        ------
        ValueError
            As of `LesionSource`.
        TrainingStopped
            As of `learn.loop.fit`.
        """
        source = LesionSource(self.config, patients, held)
        with one_thread():
            state = learned(
                source,
                self.config,
                source.looks(),
                precision="32",
                data={"lesions": source.digest},
                folder=folder,
                device=self.device,
                on_step=on_step,
            )
        self.encoding, self.about, self.notes = source.encoding, source.describe(), tuple(source.notes)
        self._adopt(state)
        return self

    def predict(self, patients: Sequence[PatientLesions]) -> list[ActivityFinding]:
        """What it says of each patient; outcomes are not looked at.

        Parameters
        ----------
        patients : sequence of PatientLesions
            With the columns that it has learned from.

        Raises
        ------
        RuntimeError
            It has learned nothing.
        ValueError
            A column is missing, or of another kind.
        """
        net = self.learned
        graphs = [graph_of(patient, self.encoding, self.config.graph) for patient in patients]
        found: list[ActivityFinding] = []
        for part in parts(graphs):
            with one_thread(), torch.inference_mode():
                answer = net(*(part[name].to(self.device) for name in SEEN))
            chances = answer.logits.double().softmax(1)[:, 1].tolist()
            importance, kept = answer.importance.double().cpu().numpy(), answer.kept.cpu().numpy()
            for row, chance in enumerate(chances):
                own, n = patients[len(found)], len(patients[len(found)])
                found.append(
                    ActivityFinding(own.name, chance, own.lesions, importance[row, :n], kept[row, :n])
                )
        return found

    def crossval(
        self,
        patients: Sequence[PatientLesions],
        *,
        folds: int = 10,
        on_fold: Callable[[int, int], None] | None = None,
    ) -> CrossValidation:
        """Test every patient once, by a network that has not seen it, beside simple baselines.

        Parameters
        ----------
        patients : sequence of PatientLesions
            With outcomes.
        folds : int
            At least 3: one is tested, the one before validates.
        on_fold : function, optional
            Called with how many of how many folds are done.

        Raises
        ------
        ValueError
            As of `fit`; fewer patients of an outcome than folds.
        """
        return crossval(self, patients, folds=folds, on_fold=on_fold)

    @property
    def learned(self) -> LesionNet:
        """The network; RuntimeError where it has not learned."""
        if self.net is None:
            raise RuntimeError("the network has learned nothing: call fit, or load weights")
        return self.net

    def save(self, path: Path) -> Path:
        """Write what was learned; returns the path.

        Parameters
        ----------
        path : Path
            Of the file; made whole or not at all.
        """
        described = {**self.config.describe(), **self.about}
        self.weights_sha256 = save_weights(path, self.learned.state_dict(), half=False, **described)
        self.weights_name = path.name
        return path

    def restore(self, path: Path) -> Self:
        """Be what a file says; returns itself.

        Parameters
        ----------
        path : Path
            Written by `save`, or by `sanum train`.

        Raises
        ------
        WeightsError
            Missing, damaged, of another method or version.
        """
        state, header = load_weights(path)
        with weights_of(path, header, self.method):
            self.config = rebuilt(self.config, header["config"])
            self.encoding = Encoding.from_list(header["encoding"])
            self._adopt(state)
        kept = ("encoding", "patients", "held_out", "data_sha256")
        self.about = {key: header[key] for key in kept if key in header}
        self.weights_name, self.weights_sha256 = path.name, sha256(path)
        return self

    def _adopt(self, state: dict[str, torch.Tensor]) -> None:
        with drawn_from(0):  # what is drawn is replaced
            net = LesionNet(self.encoding.size, self.config.model)
        net.load_state_dict(state)
        self.net = net.to(self.device).eval().requires_grad_(False)
