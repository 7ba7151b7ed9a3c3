"""The network of MAD: points of a head, found in both images by the same eyes, and the affine between them.

The distance is read off that affine: how far it moves a head. So it is never negative, and in mm. Points that
are centres of soft maps are those of KeyMorph (Yu et al., MIDL 2022).
"""

import torch
import torch.nn.functional as F
from torch import nn

from ....space.affine import REACH_MM

BALL_MM = 70.0
"""Radius of the ball of points over which a displacement is averaged: about a head's."""

SHARPNESS = 10.0
"""Logits of a map for 1 of the last layer: maps have a peak from the first step on."""

RIDGE = 0.02
"""Weight of "no turn, no scale" beside that of all points."""


class MadNet(nn.Module):
    """Two images to the affine between them.

    Parameters
    ----------
    widths : (int, int, int)
        Channels at a half, a quarter and an eighth of the cube's resolution.
    keypoints : int
        How many points are looked for.
    groups : int
        Of group norm.
    """

    ball: torch.Tensor
    places: torch.Tensor

    def __init__(
        self, widths: tuple[int, int, int] = (32, 64, 128), keypoints: int = 48, groups: int = 8
    ) -> None:
        super().__init__()
        a, b, c = widths
        self.stem = nn.Sequential(nn.Conv3d(1, a, 4, stride=2, padding=1), nn.GroupNorm(groups, a), nn.SiLU())
        self.down = nn.Conv3d(a, b, 3, stride=2, padding=1)
        self.deep = nn.Sequential(nn.Conv3d(b, c, 3, stride=2, padding=1), PreactivatedBlock(c, groups))
        self.wide = nn.ConvTranspose3d(c, b, 2, stride=2)
        self.near = nn.Sequential(
            PreactivatedBlock(b, groups), nn.GroupNorm(groups, b), nn.SiLU(), nn.Conv3d(b, 8 * keypoints, 1)
        )
        self.trust = nn.Linear(c, keypoints)
        self.register_buffer("ball", _ball(), persistent=False)
        self.register_buffer("places", _places(), persistent=False)

    def points(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Where the points are, (B, K, 3) in mm from the cube's centre, and how far each is trusted, (B, K).

        Parameters
        ----------
        image : (B, 1, 32, 32, 32) float
            In [0, 1], 0 outside of the field of view.
        """
        stem = self.stem(image)
        down = self.down(stem)
        deep = self.deep(F.silu(down))
        logits = self.near(down + self.wide(deep)).float()
        maps = (logits.unflatten(1, (-1, 8)).flatten(2) * SHARPNESS).softmax(-1)
        trust = self.trust(deep.mean((2, 3, 4))).float().sigmoid()
        return maps @ self.places, trust

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Maps (B, 4, 4) in mm about the cube's centre: a place of the second to the same place of the first.

        Parameters
        ----------
        first, second : (B, 1, 32, 32, 32) float
            As of `points`.
        """
        return between(*self.points(first), *self.points(second))

    def displaced(self, world: torch.Tensor) -> torch.Tensor:
        """Displacements (B, N, 3) of the ball's points, in mm.

        Parameters
        ----------
        world : (B, 4, 4) float
            Of `forward`.
        """
        ball = self.ball.to(world)
        return ball @ world[:, :3, :3].mT + world[:, None, :3, 3] - ball

    def distance(self, world: torch.Tensor) -> torch.Tensor:
        """Mean length of the displacements, (B,), in mm.

        Parameters
        ----------
        world : (B, 4, 4) float
            Of `forward`.
        """
        return (self.displaced(world).square().sum(-1) + 1e-4).sqrt().mean(-1)


def between(
    first: torch.Tensor, trust_first: torch.Tensor, second: torch.Tensor, trust_second: torch.Tensor
) -> torch.Tensor:
    """The affine (B, 4, 4) that lays the second points onto the first, by weighted least squares.

    A ridge keeps the linear part near the identity where points say too little.

    Parameters
    ----------
    first, second : (B, K, 3) float
        In mm.
    trust_first, trust_second : (B, K) float
        In [0, 1].
    """
    weight = trust_first * trust_second
    weight = (weight / weight.sum(-1, keepdim=True).clamp_min(1e-6))[..., None]
    middle = (weight * first).sum(1, keepdim=True), (weight * second).sum(1, keepdim=True)
    one, two = (first - middle[0]) / REACH_MM, (second - middle[1]) / REACH_MM
    ridge = RIDGE * torch.eye(3, device=first.device)
    linear = torch.linalg.solve((weight * two).mT @ two + ridge, (weight * two).mT @ one + ridge).mT
    shift = middle[0].mT - linear @ middle[1].mT
    last = shift.new_tensor([0.0, 0.0, 0.0, 1.0]).expand(len(shift), 1, 4)
    return torch.cat([torch.cat([linear, shift], -1), last], 1)


class PreactivatedBlock(nn.Module):
    """x + conv(act(norm(conv(act(norm(x)))))) (He et al., ECCV 2016).

    Parameters
    ----------
    width : int
        Channels.
    groups : int
        Of group norm.
    """

    def __init__(self, width: int, groups: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.GroupNorm(groups, width),
            nn.SiLU(),
            nn.Conv3d(width, width, 3, padding=1),
            nn.GroupNorm(groups, width),
            nn.SiLU(),
            nn.Conv3d(width, width, 3, padding=1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Maps of the same shape.

        Parameters
        ----------
        x : (B, C, X, Y, Z) float
            Maps.
        """
        added: torch.Tensor = x + self.body(x)
        return added


def _ball() -> torch.Tensor:
    """Points on a lattice in the ball, (N, 3), in mm."""
    points = _lattice(torch.linspace(-1, 1, 7) * BALL_MM)
    return points[points.norm(dim=1) <= BALL_MM + 1e-3]


def _places() -> torch.Tensor:
    """Centres in mm from the cube's, (8 · 8³, 3): each voxel of 32 mm speaks for its eight parts."""
    part, voxel = _lattice(torch.tensor([-8.0, 8.0])), _lattice((torch.arange(8) - 3.5) * 32.0)
    return (part[:, None] + voxel).reshape(-1, 3)


def _lattice(line: torch.Tensor) -> torch.Tensor:
    return torch.stack(torch.meshgrid(line, line, line, indexing="ij"), -1).reshape(-1, 3)
