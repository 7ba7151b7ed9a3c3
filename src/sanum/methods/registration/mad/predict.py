"""MAD as a `Distance` that registration descends, and as a first guess that needs no descent."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F

from ....learn.threads import one_thread
from ....scan import Scan
from ....space.descend import Volume, moved, overlap_of
from ....space.grid import apply_affine
from ....weights.file import load_weights, state_sha256, weights_of
from ...common.alignment_search import coarse_volume
from .model import BALL_MM, MadNet, between
from .pairs import SIZE, SPACING_MM

STEPS = 10
"""Times that the network's own affine is taken back: it sees far at first, and near in the end."""


class Mad:
    """The network, ready to use.

    Parameters
    ----------
    net : MadNet
        Trained.
    device : str
        A torch device.
    weights_name, weights_sha256 : str
        Where its weights are from.
    """

    spacing_mm = SPACING_MM

    def __init__(
        self, net: MadNet, *, device: str = "cpu", weights_name: str = "", weights_sha256: str = ""
    ) -> None:
        self.net, self.device = net.to(device).eval().requires_grad_(False), device
        self.weights_name, self.weights_sha256 = weights_name, weights_sha256

    def __call__(self, fixed: torch.Tensor, moved: torch.Tensor, inside: torch.Tensor) -> torch.Tensor:
        """Distances (B,): mean displacement, in radii of a head.

        Parameters
        ----------
        fixed, moved, inside : (B, 1, X, Y, Z) float
            As of `space.similarity.Distance`, on voxels of 8 mm. Where both were taken is not looked at: each
            image is 0 outside of its own field of view.
        """
        first = _repeated(self._points(fixed), len(moved))
        return self.net.distance(between(*first, *self._points(moved))) / BALL_MM

    @torch.no_grad()
    def approach(
        self, fixed: Volume, moving: Volume, starts: npt.ArrayLike, steps: int = STEPS
    ) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Maps (B, 4, 4) after the network's own steps, nearest first, and their distances (B,) in mm.

        Where the fields of view hardly overlap, a distance is up to 70 mm more.

        Parameters
        ----------
        fixed, moving : Volume
            On voxels of 8 mm.
        starts : (B, 4, 4) float
            Fixed mm → moving mm.
        steps : int
            How often the affine that the network sees is taken back.
        """
        cube = _cube_of(fixed)
        seen = self._points(cube.image)
        to_cube, to_world = _shifts(cube)
        world = torch.tensor(np.asarray(starts, np.float64))
        best, nearest = world.clone(), torch.full((len(world),), torch.inf, dtype=torch.float64)
        for step in range(steps + 1):
            image, inside = moved(cube, moving, world)
            apart = between(*_repeated(seen, len(world)), *self._points(image)).double()
            lacking, _ = overlap_of(cube, moving, inside)  # of an image without a head nothing is known
            away = self.net.distance(apart) + lacking * BALL_MM
            better = away < nearest
            best[better], nearest[better] = world[better], away[better]
            if step < steps:
                world = world @ torch.linalg.inv(to_world @ apart @ to_cube)
        order = nearest.argsort()
        return best[order].numpy(), nearest[order].numpy()

    def _points(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of the network, on the device; back on the CPU, where the rest is done."""
        points, trust = self.net.points(_cube(image).to(self.device))
        return points.cpu(), trust.cpu()

    def first_guess(self, fixed: Scan, moving: Scan) -> npt.NDArray[np.float64]:
        """A map (4, 4), fixed mm → moving mm (RAS): where another registration begins.

        Between MR scans it is good to 5 to 18 mm; to or from a CT often not even to 30.

        Parameters
        ----------
        fixed, moving : Scan
            Of heads, in any contrast.

        Raises
        ------
        ScanError
            An image has one value everywhere, or is flat along an axis.
        """
        with one_thread():
            one, two = (coarse_volume(scan, SPACING_MM) for scan in (fixed, moving))
            centred = np.eye(4)
            centred[:3, 3] = moving.grid.centre_mm - fixed.grid.centre_mm
            found: npt.NDArray[np.float64] = self.approach(one, two, [np.eye(4), centred])[0][0]
        return found


def load(*, weights: Path | None, device: str = "cpu", room: int | None = None) -> Mad:
    """Mad with its weights.

    Parameters
    ----------
    weights : Path
        A file of `sanum train mad`.
    device : str
        A torch device.
    room : int, optional
        Not needed: the network is small.

    Raises
    ------
    WeightsError
        The file is missing, damaged, or of another method.
    """
    if weights is None:
        raise ValueError("mad is a trained network: give a file of weights")
    state, header = load_weights(weights)
    with weights_of(weights, header, "mad"):
        net = MadNet(tuple(header["widths"]), header["keypoints"])
        net.load_state_dict(state)
    return Mad(net, device=device, weights_name=weights.name, weights_sha256=state_sha256(state))


def _repeated(seen: tuple[torch.Tensor, torch.Tensor], count: int) -> tuple[torch.Tensor, torch.Tensor]:
    points, trust = seen
    return points.expand(count, -1, -1), trust.expand(count, -1)


def _shifts(cube: Volume) -> tuple[torch.Tensor, torch.Tensor]:
    """World mm to mm from the cube's centre, and back."""
    back = np.eye(4)
    back[:3, 3] = apply_affine(cube.affine, np.full(3, (SIZE - 1) / 2))
    return torch.tensor(np.linalg.inv(back)), torch.tensor(back)


def _cube(image: torch.Tensor) -> torch.Tensor:
    """The middle of an image (B, 1, X, Y, Z) as a cube, with zeros around where it is smaller."""
    pads = [part for n in reversed(image.shape[2:]) for part in _margins(n)]
    return F.pad(image, pads)


def _margins(n: int) -> tuple[int, int]:
    """Voxels to add before and after; negative to cut."""
    before = (SIZE - n) // 2
    return before, SIZE - n - before


def _cube_of(volume: Volume) -> Volume:
    affine = np.array(volume.affine)
    before = np.array([_margins(n)[0] for n in volume.size])
    affine[:3, 3] -= affine[:3, :3] @ before
    return Volume(_cube(volume.image), _cube(volume.covered), affine)
