"""The network: a pair (scan, mirror image) in; healthy T1w, anomaly, brain and uncertainty out."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from ....nets.compact_unet import CompactUNet
from ....nets.unet import UNet
from ....scan.contrast import CONTRASTS
from ....space.box import Box
from .guess import first_guess

LOG_SCALE_RANGE = (-6.0, 1.0)  # log b of the Laplace scale: errors from 0.0025 to 2.7
KNOTS, TOP = 9, 1.4  # of the lookup tables, from 0 to TOP
LOGIT_GAIN = 8.0  # a step of Adam moves every weight alike; logits have farther to go than intensities
# what is kept with the weights, whatever the network's own voxels are
SHIPPED_BOX = Box((80, 96, 80), 2.0)  # of the weights that ship; other weights say theirs
ATLAS_BOX = Box((80, 96, 80), 2.0)
AVERAGE_BOX = Box((40, 48, 40), 4.0)  # an average over poses has no detail to keep
CHANNELS = 8  # that the U-Net sees: `features`
CONTRAST_MM = 8.0  # between local means, each over twice that


@dataclass(frozen=True)
class UnaPrediction:
    """Output of the network, each (B, 1, X, Y, Z).

    Parameters
    ----------
    t1w : Tensor
        Healthy T1w, white matter near 1; means nothing outside of the brain.
    anomaly, brain : Tensor
        Logits.
    log_scale : Tensor
        log b, b the Laplace scale (expected absolute error) of `t1w`.
    guess : Tensor
        (B, 2, X, Y, Z): the scan and its mirror image as T1w-like images, before anything was learned.
    """

    t1w: torch.Tensor
    anomaly: torch.Tensor
    brain: torch.Tensor
    log_scale: torch.Tensor
    guess: torch.Tensor


def local_contrast(x: torch.Tensor, spacing_mm: float = SHIPPED_BOX.spacing_mm) -> torch.Tensor:
    """Image minus its mean over about 32 mm; same shape.

    Parameters
    ----------
    x : (B, C, X, Y, Z)
        Images.
    spacing_mm : float
        Of the voxels.
    """
    step = max(1, round(CONTRAST_MM / spacing_mm))
    blurred = F.avg_pool3d(x, 2 * step, step, padding=step // 2, count_include_pad=False)
    return x - F.interpolate(blurred, size=x.shape[2:], mode="trilinear")


def features(
    pair: torch.Tensor, guess: torch.Tensor, prior: torch.Tensor, spacing_mm: float = SHIPPED_BOX.spacing_mm
) -> torch.Tensor:
    """(B, 8, X, Y, Z): scan, first guess, their local contrast, asymmetry, and the prior anatomy.

    All of like size: group norm weighs what varies most.

    Parameters
    ----------
    pair : (B, 2, X, Y, Z)
        The scan and its mirror image.
    guess : (B, 2, X, Y, Z)
        Of `first_guess`.
    prior : (B, 2, X, Y, Z)
        Mean T1w and share of brains.
    spacing_mm : float
        Of the voxels.
    """
    scan, mean, share = pair[:, :1], prior[:, :1], prior[:, 1:]
    return torch.cat(
        [
            2 * guess[:, :1] - 1,
            2 * scan - 1,
            4 * local_contrast(scan, spacing_mm),
            4 * local_contrast(guess, spacing_mm),
            4 * (guess[:, :1] - guess[:, 1:]),
            share,
            4 * (guess[:, :1] - mean) * share,
        ],
        dim=1,
    )


def lookup(guess: torch.Tensor, tables: torch.Tensor) -> torch.Tensor:
    """Each voxel's intensity (B, 1, …) through its sample's piecewise linear table (B, KNOTS).

    Parameters
    ----------
    guess : (B, 1, X, Y, Z)
        Intensities from 0 to TOP; others are taken for the nearer end.
    tables : (B, KNOTS)
        Values at the knots.
    """
    place = (guess / TOP * (KNOTS - 1)).clamp(0, KNOTS - 1)
    knots = torch.arange(KNOTS, device=guess.device).view(1, -1, 1, 1, 1)
    hats = (1 - (place - knots).abs()).clamp_min(0)
    return torch.einsum("bk,bkxyz->bxyz", tables, hats)[:, None]


def read_atlas(
    atlas: torch.Tensor,
    to_atlas: torch.Tensor,
    shape: Sequence[int],
    spacing_mm: float = SHIPPED_BOX.spacing_mm,
) -> torch.Tensor:
    """Atlas (C, X', Y', Z') of 2 mm voxels read at every voxel of a box, (B, C, *shape); 0 outside of it.

    Parameters
    ----------
    to_atlas : (B, 4, 4)
        Millimetres from the middle of the box → from the middle of the atlas.
    spacing_mm : float
        Of the box.
    atlas : (C, X', Y', Z')
        Its voxels are of 2 mm.
    shape : (X, Y, Z)
        Of the box, in voxels.
    """
    size = torch.tensor(shape, dtype=torch.float32, device=atlas.device)
    atlas_size = torch.tensor(atlas.shape[1:], dtype=torch.float32, device=atlas.device)
    # affine_grid's coordinates: (z, y, x), −1 and 1 at the faces of the box
    m = to_atlas.to(atlas).clone()
    m[:, :3, :3] *= size * (spacing_mm / ATLAS_BOX.spacing_mm) / atlas_size[:, None]
    m[:, :3, 3] *= 2 / (ATLAS_BOX.spacing_mm * atlas_size)
    theta = m[:, :3].flip(1)
    theta = torch.cat([theta[:, :, :3].flip(2), theta[:, :, 3:]], dim=2)
    grid = F.affine_grid(theta, [len(m), 1, *shape], align_corners=False)
    return F.grid_sample(atlas[None].expand(len(m), -1, -1, -1, -1), grid, align_corners=False)


class Una(nn.Module):
    """U-Net with four heads on the first guess G of the scan's T1w intensities.

    The T1w is Î = (1 − m) L(G) + r: L a lookup table per sample, from the mean of the coarse head, which
    keeps the scan's own fine detail, and m, r maps of the fine head, which inpaint lesions.

    Parameters
    ----------
    widths : sequence of int
        Feature maps per level, at least two.
    average : (2, X, Y, Z), optional
        Average T1w and share of brains in a box of 160×192×160 mm, for a scan whose pose is not known.
    atlas : (2, X, Y, Z), optional
        The same of aligned anatomies, 2 mm voxels, for a scan whose pose is. Both are kept with the weights.
    spacing_mm : float
        Of the voxels that the network sees.
    plain : bool
        A U-Net of full resolution, as published, in the place of ours.
    told : bool
        It is told the contrast of the scan, or that this is unknown.
    """

    average: torch.Tensor
    atlas: torch.Tensor

    def __init__(
        self,
        widths: Sequence[int] = (32, 64, 128, 192),
        average: torch.Tensor | None = None,
        atlas: torch.Tensor | None = None,
        spacing_mm: float = SHIPPED_BOX.spacing_mm,
        plain: bool = False,
        told: bool = False,
    ) -> None:
        super().__init__()
        self.widths, self.spacing_mm = tuple(widths), spacing_mm
        kind, quarter = (UNet, 2) if plain else (CompactUNet, 1)  # the level of a quarter of the resolution
        self.net = kind(CHANNELS, 5, KNOTS + 2, widths, coarse_level=min(quarter, len(self.widths) - 2))
        self.told = nn.Embedding(len(CONTRASTS), sum(self.widths)) if told else None
        if self.told is not None:
            nn.init.zeros_(self.told.weight)
        average = torch.ones(2, *AVERAGE_BOX.shape) if average is None else average
        self.register_buffer("average", F.interpolate(average[None], AVERAGE_BOX.shape, mode="trilinear"))
        self.register_buffer(
            "atlas", torch.ones(1, 2, *ATLAS_BOX.shape) if atlas is None else atlas[None].clone()
        )
        self._start_at_the_guess()

    @torch.no_grad()
    def _start_at_the_guess(self) -> None:
        # at first Î = G, and no anomaly: the network learns where that is wrong
        logit = -2.0 / LOGIT_GAIN
        fine = torch.tensor([0.0, -3.0, logit, logit, -2.0])
        fine = fine.repeat_interleave(self.net.fine.out_channels // len(fine))
        coarse = torch.cat([torch.linspace(0, TOP, KNOTS), torch.zeros(2)])
        for head, bias in ((self.net.fine, fine), (self.net.coarse, coarse)):
            head.weight.mul_(0.5)
            assert head.bias is not None
            head.bias.copy_(bias)

    def prior(self, to_atlas: torch.Tensor | None, batch: int, shape: Sequence[int]) -> torch.Tensor:
        """Prior anatomy (B, 2, *shape): the atlas in the scan's pose, or the average where that is NaN.

        Parameters
        ----------
        to_atlas : (B, 4, 4), optional
            See `read_atlas`; None is all NaN.
        batch : int
            B.
        shape : (X, Y, Z)
            Of the box, in voxels.
        """
        if to_atlas is None or not (known := ~to_atlas.isnan().any(dim=(1, 2))).any():
            return self._average_in(shape).expand(batch, -1, -1, -1, -1)
        aligned = read_atlas(self.atlas[0], to_atlas.nan_to_num(), shape, self.spacing_mm)
        if known.all():
            return aligned
        average = self._average_in(shape).expand(batch, -1, -1, -1, -1)
        return torch.where(known.view(-1, 1, 1, 1, 1), aligned, average)

    def _average_in(self, shape: Sequence[int]) -> torch.Tensor:
        whole = AVERAGE_BOX.at_spacing(self.spacing_mm).shape
        average = F.interpolate(self.average, size=whole, mode="trilinear")
        more = [n - w for n, w in zip(shape, whole, strict=True)]  # a box of another extent: cut, or 0 around
        return F.pad(average, [p for m in reversed(more) for p in (m // 2, m - m // 2)])

    def forward(
        self, pair: torch.Tensor, to_atlas: torch.Tensor | None = None, contrast: torch.Tensor | None = None
    ) -> UnaPrediction:
        """Healthy T1w, anomaly, brain and uncertainty of each pair.

        Parameters
        ----------
        pair : (B, 2, X, Y, Z)
            The scan and its mirror image, in [0, 1.5].
        to_atlas : (B, 4, 4), optional
            As in `prior`.
        contrast : (B,), optional
            Places in `scan.contrast.CONTRASTS`; None: all unknown.
        """
        # nothing to learn here, and bfloat16 would move the atlas by parts of a voxel
        with torch.no_grad(), torch.autocast(pair.device.type, enabled=False):
            prior = self.prior(to_atlas, len(pair), pair.shape[2:])
            guess = first_guess(pair, prior, self.spacing_mm)
            inputs = features(pair, guess, prior, self.spacing_mm)
        fine, coarse = self.net(inputs, self._note(contrast, pair))
        with torch.autocast(pair.device.type, enabled=False):
            return self._read_heads(fine.float(), coarse.float(), guess)

    def _note(self, contrast: torch.Tensor | None, pair: torch.Tensor) -> torch.Tensor | None:
        if self.told is None:
            return None
        if contrast is None:
            contrast = torch.full((len(pair),), CONTRASTS.index("unknown"), device=pair.device)
        note: torch.Tensor = self.told(contrast.long())
        return note

    def _read_heads(self, fine: torch.Tensor, coarse: torch.Tensor, guess: torch.Tensor) -> UnaPrediction:
        # each mean over one row of memory, so that it has the same bits on any number of threads
        tables, rough = coarse[:, :KNOTS].flatten(2).contiguous().mean(2), coarse[:, KNOTS:]
        rough = F.interpolate(rough, size=guess.shape[2:], mode="trilinear")
        rest, instead, logits, log_scale = fine[:, :1], fine[:, 1:2], fine[:, 2:4], fine[:, 4:]
        logits = LOGIT_GAIN * (logits + rough)
        anomaly, brain = logits[:, :1], logits[:, 1:]
        t1w = (1 - instead.sigmoid()) * lookup(guess[:, :1], tables) + rest
        return UnaPrediction(t1w, anomaly, brain, log_scale.clamp(*LOG_SCALE_RANGE), guess)
