"""UNA as a predictor: a first pass, the pose of the head from it, and again with the atlas in that pose."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

from ....files import sha256
from ....learn.devices import native_bfloat16
from ....scan.contrast import CONTRASTS, Contrast
from ....space.grid import apply_affine
from ....space.register import refine_affine, register_affine
from ....space.resample import resample
from ....types import Affine, FloatArray, Mask
from ....weights.file import load_weights, state_sha256, weights_of
from ...common.anatomy import Maps
from ...common.building import box_of, build_for, widths_of
from ...common.memory_plan import MemoryPlan
from .model import ATLAS_BOX, CHANNELS, SHIPPED_BOX, Una
from .posture import posture_of

POSE_ROUNDS = 2  # the second pose is read off an anatomy that knew the first
POSE_SPACING_MM = 2.0  # whatever the box: the registration's levels and samples are tuned to it
LEAST_FOR_POSE_ML = 150.0
STRETCH = (0.6, 1.6)  # a brain is no smaller or larger than this, against the atlas
RIM = 3  # voxels of 2 mm around the brain, whose border helps to find the pose
# A refinement that moves the brain less agrees with the anatomy: a second round moved such real scans by 0.02
# to 0.33 mm (one CT of 8 bit by 1.7), the others by 0.1 to 2.1 mm.
SETTLED_MM = 4.0
FARTHEST_MM = 20.0  # one that moves it more has failed
CUT_CM2 = 20.0  # a field of view that cuts this much of the brain shows a part of it
NO_POSE = (
    "the pose of the brain could not be estimated, so the average brain was used unaligned:  "
    "the anatomy may be less sharp than in other scans"
)
_CORNERS = np.array([[x, y, z] for x in (-60, 60) for y in (-75, 75) for z in (-60, 60)], dtype=float)
_ACROSS = np.diag([-1.0, 1, 1, 1])


def load(*, weights: Path, device: str = "cpu", room: int | None = None) -> "UnaPredictor":
    """Predictor with the weights of a file.

    Parameters
    ----------
    weights : Path
        A file of `sanum train`.
    device : str
        A torch device.
    room : int, optional
        Bytes of memory that the network may take; default what is free.
    """
    return UnaPredictor(weights=weights, device=device, room=room)


class UnaPredictor:
    """The network with weights, on a device.

    Parameters
    ----------
    weights : Path
        A file of `sanum train`.
    device : str
        A torch device.
    room : int, optional
        Bytes of memory that the network may take; see `MemoryPlan`.
    """

    def __init__(self, *, weights: Path, device: str = "cpu", room: int | None = None) -> None:
        state, description = load_weights(weights)
        with weights_of(weights, description, "una"):
            # older weights do not say their box: there was one only
            self.box = box_of(description, SHIPPED_BOX)
            self.mirror = bool(description.get("mirror", True))
            plain = bool(description.get("plain", False))
            told = bool(description.get("told", False))
            widths = widths_of(description)
            self.net: Una = build_for(
                state, widths, lambda: Una(widths, spacing_mm=self.box.spacing_mm, plain=plain, told=told)
            )
            self.box.require_multiple(self.net.net.multiple)
        self.net.eval().to(memory_format=torch.channels_last_3d)
        self.weights_name, self.weights_sha256 = weights.name, sha256(weights)
        self.state_sha256 = state_sha256(state)
        self.witnesses = description.get("witnesses")  # a rule that the main job reads (`healthy.rule`)
        self.calibration = description.get(
            "calibration"
        )  # and what errors it expects (`healthy.calibration`)
        self.memory_plan = MemoryPlan(self.net, (CHANNELS, *self.box.shape), device, autocast=True, room=room)

    @property
    def device(self) -> str:
        """Where the network is."""
        return self.memory_plan.placement.device

    @torch.inference_mode()
    def __call__(
        self,
        pair: FloatArray,
        *,
        covered: Mask | None = None,
        quick: bool = False,
        contrast: Contrast = "unknown",
    ) -> Maps:
        """Predict the maps of one pair (2, X, Y, Z): the mean over the pair and its left-right flip.

        The network has at most `POSE_ROUNDS` + 2 passes. Each round has a search by mutual information, at
        2 mm; the first, and one after a search that failed, also one by correlation, of a part of a brain
        eight. Their bounds are in `sanum.space.register`. Where the two of a round end near each other, it
        is the last.

        Parameters
        ----------
        pair : (2, X, Y, Z) float32
            The scan and its mirror image, scaled by `scan.conform`.
        covered : (X, Y, Z) bool, optional
            Where the scan was taken; default everywhere.
        quick : bool
            One pass, in which the pose is not known.
        contrast : str
            What the scan is.
        """
        channels = pair if self.mirror else pair[[0, 0]]  # as in training
        x = torch.from_numpy(np.ascontiguousarray(channels, dtype=np.float32))[None]
        maps = self._maps(x, None, contrast)
        if quick:
            return Maps(*maps.numpy())
        pose, moved_mm = None, np.inf
        for _ in range(POSE_ROUNDS):
            found = self._pose(maps.numpy(), pair[0], covered, pose if moved_mm < np.inf else None)
            if found is None:
                break
            pose, moved_mm = found
            maps = self._maps(x, pose, contrast)
            if moved_mm < SETTLED_MM:
                break
        flipped = self._maps(x.flip(2), None if pose is None else _ACROSS @ pose @ _ACROSS, contrast)
        flipped = flipped.flip(1)
        apart = (maps[0] - flipped[0]).abs().numpy()
        maps = maps / 2 + flipped / 2
        mean = Maps(*maps.numpy())
        observed = np.ones(pair.shape[1:], bool) if covered is None else covered
        brain = (mean.brain > 0.5) & observed
        posture = posture_of(pair[0], brain, self.box, self.net.atlas[0].cpu().numpy(), pose)
        disagreement = float(apart[brain].mean()) if brain.any() else None
        warnings = () if pose is not None else (NO_POSE,)
        return replace(mean, warnings=warnings, posture=posture, disagreement=disagreement)

    def _pose(
        self,
        maps: FloatArray,
        scan: FloatArray,
        covered: Mask | None = None,
        before: Affine | None = None,
    ) -> tuple[Affine, float] | None:
        """(4, 4), mm from the middle of the box → from the middle of the atlas; and how sure it is.

        The predicted anatomy is registered to the atlas. From there the scan itself is registered, which has
        more detail than the prediction, above all at the border of the brain. By how many mm that moves the
        brain says how sure the pose is; infinite where it fails. None where too little brain was
        found, or the result is not the shape of a brain. `before`: the pose of the round before, which
        the scan is registered from at once.
        """
        t1w, _, share, _ = maps
        observed = np.ones(scan.shape, bool) if covered is None else covered
        box = self.box.grid()
        if self.box.spacing_mm != POSE_SPACING_MM:
            there = self.box.at_spacing(POSE_SPACING_MM).grid()
            t1w, share, scan = (resample(x, box, there) for x in (t1w, share, scan))
            observed, box = resample(observed, box, there) > 0.5, there
        brain = (share > 0.5) & observed
        if brain.sum() * POSE_SPACING_MM**3 / 1000 < LEAST_FOR_POSE_ML:
            return None
        mean, reach = self.net.atlas[0].cpu().numpy()
        atlas = ATLAS_BOX.grid()
        template = mean * (reach > 0.5)
        try:
            found = before
            if found is None:
                image, region = np.maximum(t1w, 0) * brain, observed if is_cut(brain, observed) else None
                found = register_affine(image, box, template, atlas, region=region)
            if not like_a_brain(found):
                return None
            rim = ndimage.binary_dilation(brain, iterations=RIM) & observed
            refined = refine_affine(scan, box, template, atlas, found, region=rim)
        except RuntimeError:  # of ITK: too little overlap, or nothing but one intensity
            return None
        moved = np.linalg.norm(apply_affine(refined, _CORNERS) - apply_affine(found, _CORNERS), axis=1)
        if not like_a_brain(refined) or moved.mean() >= FARTHEST_MM:
            return found, np.inf
        return refined, float(moved.mean())

    def _maps(self, x: torch.Tensor, pose: Affine | None, contrast: Contrast) -> torch.Tensor:
        """(4, X, Y, Z), in the memory of the CPU: T1w, probabilities of anomaly and brain, Laplace scale.

        Weights from before networks were told the contrast give the same for every `contrast`.
        """
        to_atlas = None if pose is None else torch.from_numpy(pose.astype(np.float32))[None]
        said = torch.tensor([CONTRASTS.index(contrast)])

        def run(device: str) -> torch.Tensor:
            with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=native_bfloat16(device)):
                there = None if to_atlas is None else to_atlas.to(device)
                out = self.net(x.to(device), there, said.to(device))
            maps = (out.t1w, out.anomaly.sigmoid(), out.brain.sigmoid(), out.log_scale.exp())
            return torch.stack([x[0, 0].float() for x in maps]).cpu()

        return self.memory_plan(run)


def like_a_brain(pose: Affine) -> bool:
    """Whether a map to the atlas stretches no more than brains differ.

    Parameters
    ----------
    pose : (4, 4)
        Millimetres to millimetres.
    """
    if not np.isfinite(pose).all():
        return False
    stretch = np.linalg.svd(pose[:3, :3], compute_uv=False)
    return bool(STRETCH[0] < stretch.min() and stretch.max() < STRETCH[1])


def is_cut(brain: Mask, covered: Mask) -> bool:
    """Whether the field of view ends inside the brain (both (X, Y, Z) of 2 mm): a slab, or part of a head.

    Parameters
    ----------
    brain : (X, Y, Z) bool
        Voxels of 2 mm.
    covered : (X, Y, Z) bool
        Where the scan was taken.
    """
    at_the_end = brain & covered & ndimage.binary_dilation(~covered)
    return bool(at_the_end.sum() * POSE_SPACING_MM**2 / 100 > CUT_CM2)
