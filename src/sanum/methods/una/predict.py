"""UNA as a predictor: a first look, the pose that it tells, and again with the atlas in that pose."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ...learn.weights import WeightsError, load_weights, sha256
from ...scan.conform import MODEL_SPACING_MM
from ...space.grid import box_around
from ...space.register import register_affine
from ..registry import Maps
from .model import Una

SHIPPED = Path(__file__).parent / "weights" / "una-compact.safetensors"
SHIPPED_SHA256 = SHIPPED.with_suffix(".sha256")
POSE_ROUNDS = 2  # the second pose is read off an anatomy that knew the first
LEAST_FOR_POSE_ML = 150.0
STRETCH = (0.6, 1.6)  # a brain is no smaller or larger than this, against the atlas
CUT_PLANE_CM2 = 32.0  # a scan that shows this much in its last plane has been cut there


Affine = npt.NDArray[np.float64]


class UnaPredictor:
    """The network with weights, on a device.

    Parameters
    ----------
    device : str
        A torch device.
    weights : Path, optional
        A file of `sanum train`; default the one that ships, whose SHA-256 is checked.
    """

    def __init__(self, *, device: str = "cpu", weights: Path | None = None) -> None:
        path = weights or SHIPPED
        expected = (
            SHIPPED_SHA256.read_text().split()[0] if weights is None and SHIPPED_SHA256.exists() else None
        )
        state, description = load_weights(path, expected_sha256=expected)
        if description.get("method") != "una":
            raise WeightsError(
                f"{path.name} holds weights of {description.get('method')}, expected una: choose another file"
            )
        try:
            self.net = Una(description["widths"])
            self.net.load_state_dict(state)
        except (RuntimeError, KeyError, TypeError, ValueError, IndexError) as error:
            raise WeightsError(
                f"{path.name} does not fit the network una ({str(error).splitlines()[-1].strip()}); "
                "make it with this version's sanum train"
            ) from error
        self.net.eval().to(device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.device, self.weights_name, self.weights_sha256 = device, path.name, expected or sha256(path)

    @torch.inference_mode()
    def __call__(self, pair: npt.NDArray[np.float32], *, quick: bool = False) -> Maps:
        """Predict the maps of one pair (2, X, Y, Z): the mean over the pair and its left-right flip.

        `quick`: one pass, in which the pose is not known.
        """
        x = torch.from_numpy(np.ascontiguousarray(pair, dtype=np.float32))[None].to(self.device)
        maps = self._maps(x, None)
        if not quick:
            pose = None
            for _ in range(POSE_ROUNDS):
                pose = self._pose(maps.cpu().numpy(), pair[0])
                if pose is None:
                    break
                maps = self._maps(x, pose)
            across = np.diag([-1.0, 1, 1, 1])
            flipped = self._maps(x.flip(2), None if pose is None else across @ pose @ across)
            maps = maps / 2 + flipped.flip(1) / 2
        return Maps(*maps.cpu().numpy())

    def _pose(self, maps: npt.NDArray[np.float32], scan: npt.NDArray[np.float32]) -> Affine | None:
        """(4, 4): mm from the middle of the box → from the middle of the atlas, by the anatomy in `maps`.

        None where too little brain was found, or the result is no shape of a brain.
        """
        t1w, _, brain, _ = maps
        if (brain > 0.5).sum() * MODEL_SPACING_MM**3 / 1000 < LEAST_FOR_POSE_ML:
            return None
        mean, share = self.net.atlas[0].cpu().numpy()
        found = register_affine(
            t1w * (brain > 0.5), box_around((0, 0, 0), t1w.shape, MODEL_SPACING_MM),
            mean * (share > 0.5), box_around((0, 0, 0), mean.shape, MODEL_SPACING_MM), region=uncut(scan),
        )  # fmt: skip
        stretch = np.linalg.svd(found[:3, :3], compute_uv=False)
        return found if STRETCH[0] < stretch.min() and stretch.max() < STRETCH[1] else None

    def _maps(self, x: torch.Tensor, pose: Affine | None) -> torch.Tensor:
        """(4, X, Y, Z): T1w, probabilities of anomaly and brain, Laplace scale."""
        to_atlas = None if pose is None else torch.from_numpy(pose.astype(np.float32))[None].to(self.device)
        with torch.autocast(
            torch.device(self.device).type, torch.bfloat16, enabled=fast_bfloat16(self.device)
        ):
            out = self.net(x, to_atlas)
        return torch.stack(
            [
                t[0, 0].float()
                for t in (out.t1w, out.anomaly.sigmoid(), out.brain.sigmoid(), out.log_scale.exp())
            ]
        )


def uncut(scan: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_] | None:
    """Where a scan (X, Y, Z) was taken, if it was cut: None if it shows all that there is.

    A slab ends in a plane that shows much; a head or a stripped brain ends in one that shows little.
    """
    least = CUT_PLANE_CM2 * 100 / MODEL_SPACING_MM**2
    seen, cut = np.ones(scan.shape, bool), False
    for axis in range(3):
        filled = (scan > 0).sum(axis=tuple(a for a in range(3) if a != axis))
        shown = np.flatnonzero(filled)
        if not shown.size:
            continue
        planes = np.moveaxis(seen, axis, 0)
        if shown[0] > 0 and filled[shown[0]] > least:
            planes[: shown[0]], cut = False, True
        if shown[-1] < len(filled) - 1 and filled[shown[-1]] > least:
            planes[shown[-1] + 1 :], cut = False, True
    return seen if cut else None


def fast_bfloat16(device: str) -> bool:
    """Whether bfloat16 convolutions are native there (AMX or AVX512-BF16 on CPUs)."""
    if device.startswith("cuda"):
        return torch.cuda.is_bf16_supported()
    return device == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
