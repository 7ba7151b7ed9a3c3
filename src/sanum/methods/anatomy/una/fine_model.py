"""The second stage: the scan at 1 mm and the maps of 2 mm in; the same maps at 1 mm out.

What is global (contrast, pose, which tissue is ill) the first stage knows. The second sees patches, and adds
the detail: where tissue is healthy it is in the scan itself, and where slices are thick it is guessed from
what brains look like.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import nn

from ....nets.compact_unet import CompactUNet
from ....scan.contrast import CONTRASTS
from .model import LOG_SCALE_RANGE, LOGIT_GAIN, UnaPrediction, read_atlas

CHANNELS = 8  # of `fine_inputs`
SPACING_MM = 1.0
WINDOW = 5  # voxels of 2 mm, over which the anatomy is a line of the scan
FLAT = 1e-3  # variance of the scan below which the line is level
MOST_LOGIT = 6.0


def coarse_fields(scan: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """(B, 7, X, Y, Z): T1w, scan, log scale, logits of anomaly and brain, slope and offset; all are smooth.

    Slope and offset are those of the anatomy as a local line of the scan, t1w ≈ a · scan + b, as the fast
    guided filter has them (He and Sun, arXiv 1505.00996): by least squares in windows of 10 mm, then averaged
    over windows.

    Parameters
    ----------
    scan : (B, 1, X, Y, Z)
        Of 2 mm voxels.
    maps : (B, 4, X, Y, Z)
        T1w, probabilities of anomaly and brain, Laplace scale, of the same voxels.
    """

    def mean(x: torch.Tensor) -> torch.Tensor:
        return F.avg_pool3d(x, WINDOW, 1, padding=WINDOW // 2, count_include_pad=False)

    t1w, anomaly, brain, scale = maps.float().split(1, dim=1)
    log_scale = scale.clamp_min(1e-3).log().clamp(*LOG_SCALE_RANGE)
    of_scan, of_t1w = mean(scan), mean(t1w)
    slope = (mean(scan * t1w) - of_scan * of_t1w) / (mean(scan * scan) - of_scan**2 + FLAT)
    line = mean(torch.cat([slope, of_t1w - slope * of_scan], dim=1))
    return torch.cat([t1w, scan, log_scale, _logit(anomaly), _logit(brain), line], dim=1)


def fine_inputs(fine: torch.Tensor, fields: torch.Tensor, atlas: torch.Tensor) -> torch.Tensor:
    """(B, 8, …): anatomy, its guided copy, scan, what 2 mm lack of it, log scale, two logits, atlas.

    Parameters
    ----------
    fine : (B, 1, X, Y, Z)
        The scan at 1 mm, scaled as at 2 mm.
    fields : (B, 7, X, Y, Z)
        Of `coarse_fields`, interpolated.
    atlas : (B, 1, X, Y, Z)
        The average T1w in the scan's pose; 0 where that is not known.
    """
    t1w, scan, rest, line = fields[:, :1], fields[:, 1:2], fields[:, 2:5], fields[:, 5:]
    return torch.cat([t1w, line[:, :1] * fine + line[:, 1:], fine, 4 * (fine - scan), rest, atlas], dim=1)


def atlas_at(atlas: torch.Tensor, to_atlas: torch.Tensor, shape: Sequence[int]) -> torch.Tensor:
    """The average T1w in the scan's pose (B, 1, *shape), 0 where that is NaN.

    Parameters
    ----------
    atlas : (2, X', Y', Z')
        Of the first stage.
    to_atlas : (B, 4, 4)
        As of `read_atlas`.
    shape : (X, Y, Z)
        Of the box of 1 mm voxels.
    """
    known = ~to_atlas.isnan().any(dim=(1, 2))
    mean = read_atlas(atlas[:1], to_atlas.nan_to_num(), shape, SPACING_MM)
    return mean * known.view(-1, 1, 1, 1, 1)


def _logit(p: torch.Tensor) -> torch.Tensor:
    return torch.logit(p, eps=1e-6).clamp(-MOST_LOGIT, MOST_LOGIT)


class FineUna(nn.Module):
    """U-Net on 1 mm patches; it begins as the first stage's maps, interpolated.

    The T1w is Î = (1 − m) Î₂ + m G + r: Î₂ the anatomy of 2 mm, G its guided copy, m and r maps of the
    network.

    Parameters
    ----------
    widths : sequence of int
        Feature maps per level, at least two.
    """

    def __init__(self, widths: Sequence[int] = (32, 48, 64)) -> None:
        super().__init__()
        self.widths = tuple(widths)
        self.net = CompactUNet(CHANNELS, 5, 2, self.widths, coarse_level=0)
        self.told = nn.Embedding(len(CONTRASTS), sum(self.widths))
        nn.init.zeros_(self.told.weight)
        with torch.no_grad():
            for head in (self.net.fine, self.net.coarse):
                head.weight.mul_(0.1)
                assert head.bias is not None
                head.bias.zero_()

    def forward(self, inputs: torch.Tensor, contrast: torch.Tensor | None = None) -> UnaPrediction:
        """Maps of each patch; `guess` holds Î₂ and G.

        Parameters
        ----------
        inputs : (B, 8, X, Y, Z)
            Of `fine_inputs`.
        contrast : (B,), optional
            Places in `scan.contrast.CONTRASTS`; None: all unknown.
        """
        if contrast is None:
            contrast = torch.full((len(inputs),), CONTRASTS.index("unknown"), device=inputs.device)
        # of like size, as group norm wants them
        centred = inputs - torch.tensor([0.5, 0.5, 0.5, 0, -3, 0, 0, 0.5], device=inputs.device).view(
            1, -1, 1, 1, 1
        )
        scale = torch.tensor([2, 2, 2, 1, 1, 1 / 3, 1 / 3, 2], device=inputs.device).view(1, -1, 1, 1, 1)
        fine, rough = self.net(centred * scale, self.told(contrast.long()))
        with torch.autocast(inputs.device.type, enabled=False):
            fine, rough = fine.float(), F.interpolate(rough.float(), size=inputs.shape[2:], mode="trilinear")
            t1w, sharp, log_scale, logits = inputs[:, :1], inputs[:, 1:2], inputs[:, 4:5], inputs[:, 5:7]
            share = (fine[:, 1:2] * 4 - 1).sigmoid()
            return UnaPrediction(
                t1w=t1w + share * (sharp - t1w) + fine[:, :1],
                anomaly=logits[:, :1] + LOGIT_GAIN * (fine[:, 2:3] + rough[:, :1]),
                brain=logits[:, 1:] + LOGIT_GAIN * (fine[:, 3:4] + rough[:, 1:]),
                log_scale=(log_scale + fine[:, 4:]).clamp(*LOG_SCALE_RANGE),
                guess=torch.cat([t1w, sharp], dim=1),
            )
