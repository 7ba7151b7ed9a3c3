"""The second stage as a predictor: a scan at 1 mm and the first stage's maps in, maps at 1 mm out."""

from pathlib import Path

import numpy as np
import torch

from ....files import sha256
from ....learn.devices import native_bfloat16
from ....scan.contrast import CONTRASTS, Contrast
from ....space.grid import Grid
from ....space.resample import resample
from ....types import Affine, FloatArray
from ....weights.file import load_weights, weights_of
from ...common.anatomy import Maps
from ...common.building import box_of, build_for, widths_of
from ...common.memory_plan import MemoryPlan
from .fine_model import CHANNELS, SPACING_MM, FineUna, atlas_at, coarse_fields, fine_inputs
from .model import SHIPPED_BOX
from .predict import UnaPredictor


def load(*, weights: Path, first: UnaPredictor, device: str = "cpu") -> "FinePredictor":
    """Second stage with the weights of a file.

    Parameters
    ----------
    weights : Path
        A file of `sanum train una-fine`.
    first : UnaPredictor
        The first stage.
    device : str
        A torch device.
    """
    return FinePredictor(weights=weights, atlas=first.net.atlas[0], device=device)


class FinePredictor:
    """The second stage with weights, on a device.

    Parameters
    ----------
    weights : Path
        A file of `sanum train una-fine`.
    atlas : (2, X, Y, Z)
        Of the first stage.
    device : str
        A torch device.
    room : int, optional
        Bytes of memory that the network may take; see `MemoryPlan`.

    Raises
    ------
    WeightsError
        The file is not of this network.
    """

    def __init__(
        self, *, weights: Path, atlas: torch.Tensor, device: str = "cpu", room: int | None = None
    ) -> None:
        state, description = load_weights(weights)
        with weights_of(weights, description, "una-fine"):
            widths = widths_of(description)
            self.box = box_of(description, SHIPPED_BOX.at_spacing(SPACING_MM))
            self.box.require_multiple(2 ** len(widths))
            self.net: FineUna = build_for(state, widths, lambda: FineUna(widths))
        self.net.eval().to(memory_format=torch.channels_last_3d)
        self.atlas = atlas.detach().cpu()
        self.first_sha256 = str(description.get("first_sha256", ""))
        self.weights_name, self.weights_sha256 = weights.name, sha256(weights)
        self.memory_plan = MemoryPlan(self.net, (CHANNELS, *self.box.shape), device, autocast=True, room=room)

    @torch.inference_mode()
    def __call__(
        self,
        fine: FloatArray,
        grid: Grid,
        coarse: FloatArray,
        maps: Maps,
        coarse_grid: Grid,
        *,
        contrast: Contrast = "unknown",
    ) -> Maps:
        """Maps of the scan at 1 mm; the warnings and the posture are those of the first stage.

        Parameters
        ----------
        fine : (X, Y, Z) float32
            The scan in `box`, scaled as at 2 mm.
        grid : Grid
            Of it: axes as those of `coarse_grid`.
        coarse : (X', Y', Z') float32
            The scan as the first stage saw it.
        maps : Maps
            Of the first stage, as it gave them.
        coarse_grid : Grid
            Of both.
        contrast : str
            What the scan is.
        """
        stacked = np.stack([maps.t1w, maps.anomaly, maps.brain, maps.uncertainty])
        fields = coarse_fields(torch.from_numpy(coarse)[None, None], torch.from_numpy(stacked)[None])[0]
        up = np.stack([resample(f, coarse_grid, grid, order=1) for f in fields.numpy()])
        pose = None if maps.posture is None else maps.posture.pose
        atlas = atlas_at(self.atlas, _in_fine_box(pose, grid, coarse_grid), fine.shape)
        inputs = fine_inputs(torch.from_numpy(fine)[None, None], torch.from_numpy(up)[None], atlas)
        said = torch.tensor([CONTRASTS.index(contrast)])

        def run(device: str) -> torch.Tensor:
            with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=native_bfloat16(device)):
                out = self.net(inputs.to(device), said.to(device))
            given = (out.t1w, out.anomaly.sigmoid(), out.brain.sigmoid(), out.log_scale.exp())
            return torch.stack([x[0, 0].float() for x in given]).cpu()

        t1w, anomaly, brain, scale = self.memory_plan(run).numpy()
        return Maps(t1w, anomaly, brain, scale, maps.warnings, maps.posture)


def _in_fine_box(pose: Affine | None, grid: Grid, coarse: Grid) -> torch.Tensor:
    """(1, 4, 4): the pose from the middle of the fine box, which may lie half a voxel off; NaN if unknown."""
    if pose is None:
        return torch.full((1, 4, 4), torch.nan)
    turn = coarse.affine[:3, :3] / coarse.spacing_mm  # from the axes of the box to the world
    off = np.eye(4)
    off[:3, 3] = turn.T @ (np.asarray(grid.centre_mm) - np.asarray(coarse.centre_mm))
    return torch.from_numpy((pose @ off).astype(np.float32))[None]
