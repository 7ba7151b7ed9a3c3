"""Raw data in, a movie out: maps, training and solver brought together, slice by slice."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch

from ....data.raw import RawMovie
from ....kspace.coils import espirit, normalized
from ....kspace.encoding import CoilEncoding
from ....kspace.fourier import ifft
from ....kspace.sense import mean_kspace
from ....scan import ScanError
from ....weights.store import resolve
from .classical import CLASSICAL, SliceProblem, centre_training, training_image
from .network import KtNetwork, load_network
from .recipe import NETWORKS

NO_TRAINING = (
    "no training data: the prior of kt-sense was made of its own solutions (k-t FOCUSS); pass --training if "
    "there are any"
)
BY_NETWORK = (
    "a network made this movie: a part of what moves fast may be lost, and ghosts of it may lie beside it; "
    "compare it with kt-sense before a heart is judged"
)
FRAME_BY_FRAME = ("zero-filled", "sense")
"""Methods that need no second frame."""


@dataclass(frozen=True, eq=False)
class Recovered:
    """A movie.

    Parameters
    ----------
    movie : (Z, T, Y, X) complex64
        Coil-combined.
    acceleration : float
        Share of lines that were not measured, as lines over measured lines.
    warnings : tuple of str
        What a user should know about how it was made.
    """

    movie: npt.NDArray[np.complex64]
    acceleration: float
    warnings: tuple[str, ...]


class KtRecoverer:
    """Movies of raw data, by any of the methods of `CLASSICAL` and the networks of `NETWORKS`.

    Parameters
    ----------
    network : KtNetwork
        Takes the place of the one of its name that ships; its name is `given`.
    device : str
        A torch device.
    """

    def __init__(self, network: KtNetwork, *, device: str = "cpu") -> None:
        self.device, self.given = device, network.name
        self.weights_name, self.weights_sha256 = network.weights_name, network.weights_sha256
        self._networks = {network.name: network}

    def recover(
        self,
        raw: RawMovie,
        method: str = "kt-sense",
        *,
        estimate_maps: bool = False,
        on_step: Callable[[str], None] = lambda _: None,
    ) -> Recovered:
        """The movie of raw data.

        Parameters
        ----------
        raw : RawMovie
            As of `data.raw.read_raw`.
        method : str
            Of `CLASSICAL` or `NETWORKS`.
        estimate_maps : bool
            By ESPIRiT, of the mean over frames; otherwise those of the raw data.
        on_step : function
            Called with the name of each step.

        Raises
        ------
        ScanError
            There are no maps or they are 0, or the method cannot use this sampling or a single frame.
        ValueError
            Unknown method.
        """
        if method not in CLASSICAL and method not in NETWORKS:
            known = ", ".join((*CLASSICAL, *NETWORKS))
            raise ValueError(f'unknown method "{method}": known are {known}')
        solve = CLASSICAL[method] if method in CLASSICAL else self.network(method).recover
        if raw.kspace.shape[2] == 1 and method not in FRAME_BY_FRAME and not raw.mask.all():
            raise ScanError(
                f"there is one frame, and {method} learns what was not measured from others: choose sense"
            )
        slices, warnings = [], [*raw.warnings, *([BY_NETWORK] if method in NETWORKS else [])]
        for z in range(len(raw.kspace)):
            step = f"slice {z + 1} of {len(raw.kspace)}" if len(raw.kspace) > 1 else method
            on_step(step)
            problem = self._problem(raw, z, estimate_maps=estimate_maps)
            try:
                if method == "kt-sense" and problem.training is None:
                    problem = replace(problem, training=centre_training(problem))
                    if problem.training is None:
                        warnings.append(NO_TRAINING)
                slices.append(solve(problem).cpu().numpy())
            except ValueError as error:
                raise ScanError(str(error)) from error
        never = int((~raw.mask.any(1)).sum(1).max())
        if never:
            warnings.append(f"{never} of {raw.mask.shape[2]} lines are measured in no frame")
        return Recovered(np.stack(slices), acceleration_of(raw), tuple(dict.fromkeys(warnings)))

    def network(self, name: str) -> KtNetwork:
        """The network of a method: the one that was given, or else the one that ships.

        Parameters
        ----------
        name : str
            Of `NETWORKS`.

        Raises
        ------
        WeightsError
            Its weights are not here.
        """
        if name not in self._networks:
            self._networks = {**self._networks, name: load_network(resolve(f"kt-{name}"), self.device)}
        return self._networks[name]

    def _problem(self, raw: RawMovie, z: int, *, estimate_maps: bool) -> SliceProblem:
        kspace = ifft(torch.from_numpy(raw.kspace[z]), -1)
        mask = torch.from_numpy(raw.mask[z])
        if len(kspace) == 1 and raw.maps is None:
            maps = torch.ones_like(kspace[:, 0])
        elif estimate_maps:
            maps = espirit(mean_kspace(kspace, mask))
        elif raw.maps is not None:
            maps = normalized(torch.from_numpy(raw.maps[z]))
            if not maps.any():
                raise ScanError(f"the coil maps of slice {z + 1} are 0: estimate them with --estimate-maps")
        else:
            raise ScanError(
                f"there are no coil maps for {len(kspace)} coils: estimate them from the data with "
                "--estimate-maps, or put them into the file as maps"
            )
        training = None
        if raw.training is not None:
            try:
                training = training_image(torch.from_numpy(raw.training[z]), maps).to(self.device)
            except ValueError as error:
                raise ScanError(f"the training is larger than the scan: {error}") from error
        encoding = CoilEncoding(maps.to(self.device), mask.to(self.device))
        return SliceProblem(kspace.to(self.device), encoding, training)


def acceleration_of(raw: RawMovie) -> float:
    """Lines over measured lines, on the mean.

    Parameters
    ----------
    raw : RawMovie
        Raw data.
    """
    share = float(raw.mask.mean())
    return 1 / share if share else math.inf
