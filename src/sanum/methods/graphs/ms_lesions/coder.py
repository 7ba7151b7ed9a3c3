"""Columns that are learned: codes of patches around lesions, by an autoencoder that sees no outcomes."""

import hashlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import nn

from ....learn.overrides import flat, override, rebuilt
from ....learn.schedule import LoopConfig
from ....learn.threads import one_thread
from ....weights.file import WeightsError, load_weights, save_weights
from ...common.findings import OnStep
from ...common.network_training import learned
from ...common.recipe import Batch, Recipe, TrainingSource
from .patches import SIZE, PatchNet

Patches = npt.NDArray[np.float32]
LOOP = LoopConfig(steps=1000, learning_rate=3e-3, warmup=20, ema=0.9, sheet_every=0, save_every=500)


@dataclass(frozen=True)
class PatchRecipe(Recipe):
    """Recipe of the network `PatchNet`; it is fitted in Python alone.

    Parameters
    ----------
    codes : int
        Numbers of each lesion.
    width : int
        Channels after the first halving.
    """

    method: ClassVar[str] = "ms-lesions-patches"
    batch_size: int = 32
    workers: int = 0
    loop: LoopConfig = LOOP
    codes: int = 8
    width: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("codes", "width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    def prepare(
        self, data: Path, cache: Path, on_prepare: Callable[[int, int], None] | None = None
    ) -> TrainingSource:
        """ValueError: patches are handed to `PatchCoder.fit`.

        Parameters
        ----------
        data, cache : Path
            Not looked at.
        on_prepare : function, optional
            Not called.
        """
        raise ValueError("patches are not read from files: hand them to PatchCoder.fit")

    def loss(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """Mean squared error of what is made of patches.

        Parameters
        ----------
        model : Module
            A `PatchNet`.
        batch : dict of tensor
            "patches" (B, 1, 12, 12, 12).
        """
        return F.mse_loss(model(batch["patches"]), batch["patches"]), {}


class PatchSource(TrainingSource):
    """Patches as endless batches, in shuffled rounds.

    Parameters
    ----------
    recipe : PatchRecipe
        Everything else that decides the weights.
    patches : (N, 1, 12, 12, 12) tensor
        At least one.
    """

    def __init__(self, recipe: PatchRecipe, patches: torch.Tensor) -> None:
        self.recipe, self.patches = recipe, patches

    def build(self) -> PatchNet:
        """The recipe's network."""
        return PatchNet(self.recipe.codes, self.recipe.width)

    def batches(self, numbers: Iterator[range]) -> Generator[Batch, None, None]:
        """Batches of the samples with these numbers.

        Parameters
        ----------
        numbers : iterator of range
            Samples of each batch.
        """
        for samples in numbers:
            yield {"patches": self.patches[[self._place(n) for n in samples]]}

    def _place(self, number: int) -> int:
        turn, place = divmod(number, len(self.patches))
        rng = np.random.default_rng([self.recipe.seed, turn])
        return int(rng.permutation(len(self.patches))[place])


class PatchCoder:
    """An autoencoder of patches, learned or not yet.

    Parameters
    ----------
    config : PatchRecipe, optional
        Default: its defaults.
    """

    def __init__(self, config: PatchRecipe | None = None) -> None:
        self.config = config or PatchRecipe("ms-lesions-patches")
        self.net: PatchNet | None = None

    def with_settings(self, *settings: str) -> Self:
        """Another one with other values in its configuration; it has learned nothing.

        Parameters
        ----------
        *settings : str
            Such as "codes=4" or "loop.steps=500".
        """
        return type(self)(override(self.config, settings))

    def fit(self, patches: Patches, *, folder: Path | None = None, on_step: OnStep | None = None) -> Self:
        """Learn from patches, of the patients that a network will learn from; returns itself.

        Parameters
        ----------
        patches : (N, 12, 12, 12) float32
            Of `patches_of`, of all patients.
        folder : Path, optional
            Of the run, which goes on from there when it was stopped; default a temporary one.
        on_step : function, optional
            Called after each step.

        Raises
        ------
        ValueError
            Other shapes; no patches.
        """
        given = _checked(patches)
        if not len(given):
            raise ValueError("there are no patches to learn from")
        with one_thread():
            state = learned(
                PatchSource(self.config, given),
                self.config,
                None,
                precision="32",
                data={"patches": hashlib.sha256(given.numpy().tobytes()).hexdigest()},
                folder=folder,
                device="cpu",
                on_step=on_step,
            )
        self._adopt(state)
        return self

    def columns(self, patches: Patches) -> dict[str, npt.NDArray[np.float64]]:
        """Codes as columns of a patient's lesions: "code0", "code1" and so on.

        Parameters
        ----------
        patches : (N, 12, 12, 12) float32
            Of `patches_of`.
        """
        with one_thread(), torch.inference_mode():
            codes = self._learned.encode(_checked(patches)).double().numpy()
        return {f"code{k}": codes[:, k] for k in range(self.config.codes)}

    def reconstruct(self, patches: Patches) -> Patches:
        """What the codes tell of patches, to look at.

        Parameters
        ----------
        patches : (N, 12, 12, 12) float32
            Of `patches_of`.
        """
        with one_thread(), torch.inference_mode():
            made: Patches = self._learned(_checked(patches))[:, 0].numpy()
        return made

    def save(self, path: Path) -> Path:
        """Write what was learned; returns the path.

        Parameters
        ----------
        path : Path
            Of the file; made whole or not at all.
        """
        described = {**self.config.describe(), "config": flat(self.config)}
        save_weights(path, self._learned.state_dict(), half=False, **described)
        return path

    def restore(self, path: Path) -> Self:
        """Be what a file of `save` says; returns itself.

        Parameters
        ----------
        path : Path
            Of the file.

        Raises
        ------
        WeightsError
            Missing, damaged, of another method or version.
        """
        state, header = load_weights(path)
        if header.get("method") != self.config.method:
            raise WeightsError(f"{path.name} holds weights of {header.get('method')}, expected a patch coder")
        try:
            self.config = rebuilt(self.config, header["config"])
            self._adopt(state)
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise WeightsError(f"{path.name} does not fit a patch coder of this version of sanum") from error
        return self

    @property
    def _learned(self) -> PatchNet:
        if self.net is None:
            raise RuntimeError("the patch coder has learned nothing: call fit, or restore")
        return self.net

    def _adopt(self, state: dict[str, torch.Tensor]) -> None:
        net = PatchNet(self.config.codes, self.config.width)
        net.load_state_dict(state)
        self.net = net.eval().requires_grad_(False)


def _checked(patches: Patches) -> torch.Tensor:
    given = torch.from_numpy(np.asarray(patches, dtype=np.float32))
    if given.ndim != 4 or given.shape[1:] != (SIZE, SIZE, SIZE):
        raise ValueError(f"expected patches (N, {SIZE}, {SIZE}, {SIZE}), got {tuple(given.shape)}")
    return given[:, None]
