"""Made-up subjects: a stack's points in another pose, with a latent of its own.

A point of a stack keeps its intensity and its label, and only its coordinates are others, so nothing is
interpolated. With few subjects the latents then still fill the space between them.
"""

from dataclasses import dataclass

import numpy as np
import torch

WAVES = 4


@dataclass(frozen=True)
class PoseConfig:
    """How far made-up subjects are from the real ones; coordinates have −1 and 1 at the edges of a stack.

    Parameters
    ----------
    copies : int
        Subjects of each stack, the stack itself included.
    turn : float
        Largest rotation in the plane, in radians.
    scale : float
        Largest logarithm of a common scale, and again of each axis.
    shift : float
        Largest shift.
    bend : float
        Standard deviation of smooth displacements.
    gamma : float
        Largest logarithm of an exponent of the intensities.
    """

    copies: int = 16
    turn: float = 0.3
    scale: float = 0.15
    shift: float = 0.15
    bend: float = 0.03
    gamma: float = 0.3

    def __post_init__(self) -> None:
        if self.copies < 1:
            raise ValueError(f"poses.copies must be at least 1, got {self.copies}")


@dataclass(frozen=True)
class PoseParams:
    """One pose: x → M x + shift + Σ a_k sin(f_k · x + c_k), and intensity → intensity^gamma.

    Parameters
    ----------
    matrix : tuple of float
        M, (3, 3), row by row.
    shift : tuple of float
        Of three coordinates.
    amplitudes, frequencies : tuple of float
        a and f, (4, 3), row by row.
    phases : tuple of float
        c.
    gamma : float
        Exponent.
    """

    matrix: tuple[float, ...]
    shift: tuple[float, ...]
    amplitudes: tuple[float, ...]
    frequencies: tuple[float, ...]
    phases: tuple[float, ...]
    gamma: float


def draw_pose(rng: np.random.Generator, config: PoseConfig) -> PoseParams:
    """One random pose.

    Parameters
    ----------
    rng : Generator
        Source of randomness.
    config : PoseConfig
        How far.
    """
    angle = rng.uniform(-config.turn, config.turn)
    turned = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    common = rng.uniform(-config.scale, config.scale)
    sizes = np.exp(common * np.array([1, 1, 0]) + rng.uniform(-config.scale, config.scale, 3) * 0.7)
    return PoseParams(
        tuple((turned @ np.diag(sizes)).ravel().tolist()),
        tuple((rng.uniform(-config.shift, config.shift, 3)).tolist()),
        tuple((config.bend * rng.normal(size=WAVES * 3)).tolist()),
        tuple(rng.uniform(-3, 3, WAVES * 3).tolist()),
        tuple(rng.uniform(0, 2 * np.pi, WAVES).tolist()),
        float(np.exp(rng.uniform(-config.gamma, config.gamma))),
    )


def apply_pose(points: torch.Tensor, pose: PoseParams) -> torch.Tensor:
    """Coordinates in a pose, (N, 5); time stays.

    Parameters
    ----------
    points : (N, 5) tensor
        Coordinates in the stack.
    pose : PoseParams
        The pose.
    """
    x = points[:, :3]
    waves = torch.sin(x @ _matrix(pose.frequencies).T + x.new_tensor(pose.phases))
    moved = x @ _matrix(pose.matrix).T + x.new_tensor(pose.shift) + waves @ _matrix(pose.amplitudes)
    return torch.cat([moved, points[:, 3:]], dim=1)


def _matrix(values: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(-1, 3)
