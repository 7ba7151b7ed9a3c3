"""The classifier: fit to images of both classes, score, map."""

from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from ....data.stratified import hold_out_of_both
from ....learn.draws import drawn_from
from ....learn.threads import one_thread
from ....metrics.ranking import auc
from ....nets.cam import cam
from ....nets.cam_of_network import full_grad, score_cam
from ....scan.errors import ScanError
from ....weights.file import WeightsError
from ...common.backbone import MEAN
from ...common.findings import LARGEST, REFERENCE, Chosen, Held, OnStep, State, Validation
from ...common.network_training import digest_of, learned
from ...common.opening import loader
from ...common.recipe import Looks
from ...common.scorer import PictureScorer
from ...common.squares import BATCH, Images, SquareStack, stack_of
from ...common.threshold import Threshold
from .loss import weighted_cross_entropy
from .model import PictureClassifier
from .recipe import RECIPES, AnyCamKind, ClassifierRecipe, LabelledPictures

LOSS = "loss"
"""How the epoch was chosen: by the smallest loss of validation."""

TRIED = 64
"""Feature maps that "scorecam" tries for a picture, each by a pass of the network."""


class Classifier(PictureScorer):
    """Learns both classes; its score is the probability of abnormal, its map what speaks for it.

    Parameters
    ----------
    config : ClassifierRecipe
        Decides everything but the data.
    device : str
        A torch device.
    """

    method: ClassVar[str] = "classifier"

    def __init__(self, config: ClassifierRecipe, *, device: str = "cpu") -> None:
        super().__init__(config, device=device)
        self.net: PictureClassifier | None = None
        self.history: list[dict[str, float]] = []

    def fit(
        self,
        images: Images,
        labels: Sequence[int] | npt.NDArray[np.integer],
        *,
        groups: Sequence[Hashable] | None = None,
        validation: Validation | None = None,
        on_step: OnStep | None = None,
        folder: Path | None = None,
    ) -> Self:
        """Learn from images of both classes, choose the epoch; returns the classifier itself.

        Without validation a share of both classes is held out for it, in whole groups.

        Parameters
        ----------
        images : iterable of path, array or Picture, or one array
            Of both classes.
        labels : (N,) int
            0 normal, 1 abnormal.
        groups : sequence, optional
            Whose image each is; default each its own.
        validation : Validation, optional
            Other images, with labels; best of other people.
        on_step : function, optional
            Called after each step of a training.
        folder : Path, optional
            Gets the checkpoints and the log of a training; one that was stopped there goes on, with the same
            images. Default: one that is removed at the end, unless a step goes wrong.

        Raises
        ------
        TrainingStopped
            On a signal, or at a step that gives no number; the state before it is in the folder.
        ScanError
            An image cannot be used; all are constant; numbers of channels differ.
        ValueError
            A label that is not 0 or 1; one class only; a number of labels or groups that does not fit.
        """
        self.folder = folder
        stack, (said, whose) = self._usable(images, label=labels, group=groups)
        y = _labels(said)
        if validation is None:
            kept, out = hold_out_of_both(y, whose, self.config.hold_out, seed=self.config.seed)
            held = Held(stack.only(out), y[list(out)])
            stack, y = stack.only(kept), y[list(kept)]
        else:
            held = self._held(validation, stack)
        for what, labels_of in (("the images to learn from", y), ("validation", held.labels)):
            if len(np.unique(labels_of)) < 2:
                raise ValueError(f"one class is missing in {what}: a classifier needs normals and abnormals")
        self.channels = stack.channels
        with one_thread(libraries=True):
            self.choices = {LOSS: self._learn(stack, y, held, on_step)}
            self.use(LOSS)
            self._keep_scale(held)
        return self

    def adopt(self, state: State) -> None:
        """Build the network and give it these weights.

        Parameters
        ----------
        state : dict of tensor
            Of the recipe's network.
        """
        with drawn_from(0):  # what is drawn is replaced
            net = self.config.build(self.channels or 1)
        try:
            net.load_state_dict(state)
        except RuntimeError as error:
            raise WeightsError(f"other names or shapes: {str(error).splitlines()[-1].strip()}") from error
        self.net = net.to(self.device).eval()

    def restore(self, path: Path) -> Self:
        """Take what `save`, or a training, wrote; without a threshold the likelier class is taken.

        Parameters
        ----------
        path : Path
            Of the file.
        """
        super().restore(path)
        one = self.choices[self.choice]
        self.choices = {LOSS: Chosen(one.state, one.threshold or Threshold(0.5, "half"), one.facts)}
        self.choice = LOSS
        return self

    def answer(self, pixels: torch.Tensor, valid: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """What speaks for abnormal at each place, and the probability of abnormal.

        Parameters
        ----------
        pixels : (B, C, S, S) float32
            In [0, 1].
        valid : (B, S, S) bool
            Pixels that count.
        """
        net = self.net
        assert net is not None
        features = net.maps(pixels)
        normal, abnormal = net.logits(features).double().unbind(1)
        maps = self._cam(net, pixels, features)
        return maps * valid, torch.sigmoid(abnormal - normal)

    def _cam(self, net: PictureClassifier, pixels: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
        kind: AnyCamKind = self.config.cam
        if kind == "fullgrad":
            return full_grad(net, pixels, lambda x: net(x)[:, 1], black=MEAN)
        if kind == "scorecam":
            small = score_cam(features, pixels, lambda x: net(x)[:, 1], most=TRIED)
        else:
            small = cam(features, lambda a: net.logits(a)[:, 1], kind)
        return F.interpolate(small[:, None], size=pixels.shape[2:], mode="bilinear")[:, 0]

    def _held(self, validation: Validation, train: SquareStack) -> Held:
        stack = stack_of(validation.images, self.config)
        if validation.labels is None:
            raise ValueError("validation of a classifier needs labels")
        if stack.channels != train.channels:
            raise ScanError(f"validation has {stack.channels} channels, and training {train.channels}")
        return Held(stack, _labels([validation.labels[n] for n in stack.sources]))

    def _learn(
        self, train: SquareStack, labels: npt.NDArray[np.int64], held: Held, on_step: OnStep | None
    ) -> Chosen:
        config: ClassifierRecipe = self.config
        source = LabelledPictures(config, train, labels)
        best = LowestLoss(config, held, source.weights)
        last = learned(
            source,
            config,
            Looks(best.look, config.validate_every or config.loop.steps, best),
            precision=config.precision,
            data={"pictures": digest_of(train, [held], labels.tobytes())},
            folder=self.folder,
            device=self.device,
            on_step=on_step,
        )
        self.history = best.history
        counts = {"normals": int((labels == 0).sum()), "abnormals": int((labels == 1).sum())}
        half = Threshold(0.5, "half", None, len(held.labels))
        return Chosen(best.state or last, half, {**best.facts, **counts})

    def _keep_scale(self, held: Held) -> None:
        """What maps of normals held out rarely reach, and those of abnormals, for pictures of them.

        A map that knows no class, or is scaled for each image, has no such scale; one takes too long.
        """
        if self.config.cam in ("eigencam", "fullgrad", "scorecam"):
            return
        found = list(self._respond_to(held.stack))
        one, facts = self.choices[LOSS], {}
        for label, name in ((0, REFERENCE), (1, LARGEST)):
            maps = [found[n] for n in np.flatnonzero(held.labels == label)]
            facts[name] = float(np.quantile(np.concatenate([m.map[m.square.valid] for m in maps]), 0.99))
        self.choices[LOSS] = Chosen(one.state, one.threshold, {**one.facts, **facts})


class LowestLoss:
    """The state of lowest validation loss; of equal ones the earliest.

    Parameters
    ----------
    recipe : ClassifierRecipe
        Of the training.
    held : Held
        Validation.
    weights : (2,) tensor
        Of the classes, as of the training.
    """

    def __init__(self, recipe: ClassifierRecipe, held: Held, weights: torch.Tensor) -> None:
        self.recipe, self.held, self.weights = recipe, held, weights
        self.history: list[dict[str, float]] = []
        self.early: list[torch.Tensor] = []
        self.state: State | None = None
        self.facts: dict[str, float] = {}

    @torch.no_grad()
    def look(self, model: torch.nn.Module, step: int) -> None:
        """Measure a state on validation.

        Parameters
        ----------
        model : Module
            In evaluation mode.
        step : int
            Steps done.
        """
        net: Any = model
        device = next(model.parameters()).device
        if not self.early:  # it stands still: once is enough
            self.early = [net.early(part.pixels.to(device)) for part in self.held.stack.parts(BATCH)]
        logits = torch.cat([net.logits(net.late(early)) for early in self.early]).float().cpu()
        labels = torch.from_numpy(self.held.labels)
        loss = float(weighted_cross_entropy(logits, labels, self.weights))
        order = (logits[:, 1] - logits[:, 0]).double().numpy()
        row = {"step": step, "validation_loss": loss, "auc": auc(order, self.held.labels)}
        self.history.append(row)
        if self.state is None or loss < self.facts["validation_loss"]:
            self.state = {name: x.detach().cpu().clone() for name, x in model.state_dict().items()}
            self.facts = row

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors, for the checkpoint."""
        return {"history": self.history, "state": self.state, "facts": self.facts}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict`.

        Parameters
        ----------
        state : dict
            As `state_dict` returned it.
        """
        self.history, self.state, self.facts = list(state["history"]), state["state"], state["facts"]


def _labels(said: Sequence[Any]) -> npt.NDArray[np.int64]:
    odd = [label for label in said if label not in (0, 1)]
    if odd:
        raise ValueError(f"a label is 0 (normal) or 1 (abnormal), got {odd[0]}")
    return np.array([int(label) for label in said], dtype=np.int64)


load = loader(Classifier, RECIPES)
