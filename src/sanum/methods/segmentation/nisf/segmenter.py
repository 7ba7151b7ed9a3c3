"""The method as one uses it: learn from labelled stacks, fit a latent to a scan, ask at any points."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch

from ....files import sha256
from ....learn.devices import open_devices
from ....learn.draws import drawn_from
from ....learn.loop import Callbacks, Run, fit
from ....learn.overrides import flat, override, rebuilt
from ....learn.threads import one_thread
from ....scan import Scan, ScanError
from ....space.grid import Grid
from ....weights.file import load_weights, save_weights, weights_of
from ...common.findings import OnStep
from ...common.training import finished
from .coordinates import points_at, times_of, to_unit
from .latent import Seen, fit_latent
from .model import Nisf
from .recipe import NisfRecipe
from .segmentation import Segmentation
from .source import NisfSource
from .stacks import SliceStack, Structures, scaled, stack_of

CHECKPOINT = "checkpoint.pt"
VERSION = 1
"""Of the meaning of a model file: coordinates, latents, layers."""


class NisfSegmenter:
    """A prior of shapes, learned or not yet.

    Parameters
    ----------
    config : NisfRecipe
        Frozen; decides everything but the data.
    device : str
        A torch device.
    """

    method: ClassVar[str] = "nisf"

    def __init__(self, config: NisfRecipe, *, device: str = "cpu") -> None:
        self.config, self.device = config, device
        self.net: Nisf | None = None
        self.structures = Structures((), ())
        self.about: dict[str, Any] = {}
        self.curves: dict[bool, list[tuple[int, float]]] = {False: [], True: []}
        self.weights_name = self.weights_sha256 = ""

    def steps(self, *, weights_too: bool = False) -> int:
        """Steps that a latent is fitted, as validation has chosen them.

        Parameters
        ----------
        weights_too : bool
            With a copy of the weights.
        """
        return int(self.learned.steps[int(weights_too)])

    @property
    def knows_time(self) -> bool:
        """Whether it has learned from cycles, and so can be asked between their times."""
        return int(self.about.get("times", 1)) > 1

    @property
    def learned(self) -> Nisf:
        """The network; RuntimeError where it has not learned."""
        if self.net is None:
            raise RuntimeError("the segmenter has learned nothing: call fit, or load a model file")
        return self.net

    def with_settings(self, *settings: str) -> Self:
        """Another one with other values in its configuration; it has learned nothing.

        Parameters
        ----------
        *settings : str
            As `--set` takes them, such as "loop.steps=100".

        Raises
        ------
        ValueError
            No such key, or no such value.
        """
        return type(self)(override(self.config, settings), device=self.device)

    def fit(
        self,
        stacks: Sequence[SliceStack],
        *,
        held: Sequence[SliceStack] | None = None,
        folder: Path,
        on_step: OnStep | None = None,
    ) -> Self:
        """Learn from labelled stacks; the number of latent steps is chosen on those held out.

        Parameters
        ----------
        stacks : sequence of SliceStack
            With labels; a voxel without one teaches by its intensity alone.
        held : sequence of SliceStack, optional
            To choose the number of latent steps by; default: a share of the subjects of `stacks`.
        folder : Path
            Of the run; a training that was stopped goes on from there.
        on_step : function, optional
            Called after each step.

        Raises
        ------
        ValueError
            Stacks without labels, labels that are not known.
        TrainingStopped
            As of `learn.loop.fit`.
        """
        recipe = self.config
        recipe.step.require_plain()
        source = NisfSource(recipe, stacks, held)
        fabric = open_devices(self.device, precision=recipe.precision)
        fabric.launch()
        with drawn_from(recipe.seed):
            model = source.build()
        size = recipe.batch_size
        run = Run(
            folder,
            recipe=flat(recipe) | {"stacks": [s.name for s in source.train]},
            batch_size=size,
            resume=(folder / CHECKPOINT).is_file(),
            go_on="the same fit goes on from there",
        )
        with one_thread():
            state = fit(
                fabric,
                model,
                recipe.turns(),
                lambda first: source.batches(range(n * size, (n + 1) * size) for n in count(first)),
                recipe.loop,
                run,
                Callbacks(on_step),
            )
        model.load_state_dict(finished(source, model, state))
        self.net, self.structures, self.curves = (
            model.to(self.device).eval(),
            source.structures,
            source.curves,
        )
        self.about = source.describe()
        return self

    def save(self, path: Path) -> Path:
        """Write what was learned, every bit of it; returns the path.

        Parameters
        ----------
        path : Path
            Of the file; made whole or not at all.
        """
        described = {
            **self.config.describe(),
            **self.about,
            "version": VERSION,
            "dice_by_steps": [*self.curves.values()],
        }
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
        with weights_of(path, header, self.method, VERSION):
            self.config = rebuilt(self.config, header["config"])
            self.structures = Structures(tuple(header["labels"]), tuple(header["names"]))
            net = self.config.build(int(header["subjects"]), len(self.structures.values) + 1)
            net.load_state_dict(state)
        self.net = net.to(self.device).eval().requires_grad_(False)
        kept = ("labels", "names", "subjects", "stacks", "times", "held_out")
        self.about = {key: header[key] for key in kept if key in header}
        found = header.get("dice_by_steps") or [[], []]
        self.curves = {bool(n): [(int(s), float(d)) for s, d in curve] for n, curve in enumerate(found)}
        self.weights_name, self.weights_sha256 = path.name, sha256(path)
        return self

    def segment(
        self,
        scans: SliceStack | Scan | Sequence[Scan],
        *,
        slices: Sequence[int] | None = None,
        frame: Grid | None = None,
        steps: int | None = None,
        weights_too: bool | None = None,
    ) -> Segmentation:
        """Fit a latent to an image, and to nothing else; what comes back can be asked at any points.

        Parameters
        ----------
        scans : SliceStack, Scan or sequence of Scan
            A stack, or several planes or parts of one subject; labels of a `SliceStack` are not looked at.
        slices : sequence of int, optional
            Of the third axis of each: only these are looked at. Default all.
        frame : Grid, optional
            The stack that coordinates are of, where the scans are parts of one; default the first one's grid.
        steps : int, optional
            Of the fit; default as validation has chosen.
        weights_too : bool, optional
            Fit a copy of the weights as well; default as the configuration says.

        Raises
        ------
        ScanError
            Times, where it has learned from scans of one; slices that are not there; nothing in the field of
            the prior; a constant image.
        """
        if isinstance(scans, SliceStack) and scans.frames > 1 and not self.knows_time:
            raise ScanError(
                f"{scans.name} has {scans.frames} times, and the model was fitted to scans of one: "
                "segment each time by itself (`at_time`)"
            )
        given: Sequence[SliceStack | Scan] = [scans] if isinstance(scans, SliceStack | Scan) else scans
        parts = [s if isinstance(s, SliceStack) else stack_of(s) for s in given]
        frame = frame or parts[0].grid
        seen = seen_of(self.learned, parts, frame, slices)
        config = self.config.latent
        if weights_too is not None:
            config = replace(config, weights_too=weights_too)
        if steps is None:
            steps = self.steps(weights_too=config.weights_too)
        with one_thread():
            net, latent = fit_latent(self.learned, seen, config, steps)
        return Segmentation(net, latent, self.structures, frame, parts[0])

    def of_training(self, number: int, stack: SliceStack) -> Segmentation:
        """What was learned of a training stack, by its own latent.

        Parameters
        ----------
        number : int
            Of the stack, among those that were learned from.
        stack : SliceStack
            The stack.
        """
        subject = torch.tensor([number * self.config.poses.copies], device=self.device)
        with torch.no_grad():
            latent = self.learned.latents_of(subject)
        return Segmentation(self.learned, latent, self.structures, stack.grid, stack)


def seen_of(model: Nisf, parts: Sequence[SliceStack], frame: Grid, slices: Sequence[int] | None) -> Seen:
    """Points of stacks in the field of the prior, and their intensities; labels are not looked at.

    Parameters
    ----------
    model : Nisf
        Which knows its field.
    parts : sequence of SliceStack
        Of one subject.
    frame : Grid
        That coordinates are of.
    slices : sequence of int or None
        Of the third axis.

    Raises
    ------
    ScanError
        Slices that are not there; nothing in the field of the prior; a constant image.
    """
    name, found = parts[0].name, []
    for part in parts:
        depth = part.grid.shape[2]
        chosen = list(range(depth)) if slices is None else sorted(set(slices))
        if not chosen or chosen[0] < 0 or chosen[-1] >= depth:
            odd = "none" if not chosen else next(n for n in chosen if not 0 <= n < depth)
            raise ScanError(f"{part.name} has {depth} slices, 0 to {depth - 1}: slice {odd} is not there")
        places = np.moveaxis(np.indices((*part.grid.shape[:2], len(chosen))), 0, -1).reshape(-1, 3)
        places[:, 2] = np.array(chosen)[places[:, 2]]
        matrix = to_unit(frame) @ part.grid.affine
        values = part.voxels[:, :, chosen].reshape(-1, part.frames)
        for t, time in enumerate(times_of(part.frames)):
            points = points_at(places, matrix, time)
            inside = model.in_field(points.to(model.field.device)).cpu()
            found.append((points[inside], values[inside.numpy(), t], values[:, t]))
    if not any(len(points) for points, *_ in found):
        raise ScanError(
            f"no slice of {name} is in the field of the prior: expected a scan of what the model was fitted "
            "to, and a frame that the scan lies in"
        )
    seen = np.concatenate([every for *_, every in found])
    image = scaled(np.concatenate([values for _, values, _ in found]), seen, name)
    return Seen(torch.cat([points for points, *_ in found]), torch.from_numpy(image))
