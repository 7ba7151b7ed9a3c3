"""UNA as a predictor: the shipped weights, a pass each of the scan as it is and flipped."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from ...learn.weights import WeightsError, load_weights, sha256
from ..registry import Maps
from .model import Una

SHIPPED = Path(__file__).parent / "weights" / "una-compact.safetensors"
SHIPPED_SHA256 = SHIPPED.with_suffix(".sha256")


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
    def __call__(self, pair: npt.NDArray[np.float32]) -> Maps:
        """Predict the maps of one pair (2, X, Y, Z): the mean over the pair and its left-right flip."""
        x = torch.from_numpy(np.ascontiguousarray(pair, dtype=np.float32))[None].to(self.device)
        both = self._maps(x) / 2 + self._maps(x.flip(2)).flip(1) / 2
        return Maps(*both.cpu().numpy())

    def _maps(self, x: torch.Tensor) -> torch.Tensor:
        """(4, X, Y, Z): T1w, probabilities of anomaly and brain, Laplace scale."""
        with torch.autocast(
            torch.device(self.device).type, torch.bfloat16, enabled=fast_bfloat16(self.device)
        ):
            out = self.net(x)
        return torch.stack(
            [
                t[0, 0].float()
                for t in (out.t1w, out.anomaly.sigmoid(), out.brain.sigmoid(), out.log_scale.exp())
            ]
        )


def fast_bfloat16(device: str) -> bool:
    """Whether bfloat16 convolutions are native there (AMX or AVX512-BF16 on CPUs)."""
    if device.startswith("cuda"):
        return torch.cuda.is_bf16_supported()
    return device == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
