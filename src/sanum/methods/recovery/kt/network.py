"""A network of kt from its file of weights, and the movie that it makes of a slice."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ....learn.overrides import rebuilt
from ....weights.file import load_weights, state_sha256, weights_of
from ...common.building import build_for
from .classical import SliceProblem
from .model import KtNet, KtNetConfig
from .recipe import NETWORKS


@dataclass(frozen=True, eq=False)
class KtNetwork:
    """A trained network.

    Parameters
    ----------
    name : str
        One of `NETWORKS`.
    net : KtNet
        In evaluation mode.
    weights_name, weights_sha256 : str
        Where its weights are from.
    """

    name: str
    net: KtNet
    weights_name: str
    weights_sha256: str

    @torch.no_grad()
    def recover(self, of: SliceProblem) -> torch.Tensor:
        """The movie, (T, Y, X).

        Parameters
        ----------
        of : SliceProblem
            The slice; its training is not looked at.

        Raises
        ------
        ValueError
            There are more coils than the network sees.
        """
        encoding = of.encoding
        found: torch.Tensor = self.net(of.kspace[None], encoding.maps[None], encoding.mask[None])[0]
        return found


def load_network(path: Path, device: str = "cpu") -> KtNetwork:
    """A network of a file of `sanum train kt-…`.

    Parameters
    ----------
    path : Path
        The file.
    device : str
        A torch device.

    Raises
    ------
    WeightsError
        It is missing, damaged, of another method or of another version.
    """
    state, header = load_weights(path)
    with weights_of(path, header, "kt"):
        name = str(header["recipe"]).removeprefix("kt-")
        if name not in NETWORKS:
            raise ValueError(f"its recipe is none of {', '.join(NETWORKS)}")
        config = _config_of(header["model"])
        net: KtNet = build_for(state, config.widths, lambda: KtNet(config))
    net = net.to(device).eval().requires_grad_(False)
    return KtNetwork(name, net, path.name, state_sha256(state))


def _config_of(model: Any) -> KtNetConfig:
    if not isinstance(model, Mapping):
        raise TypeError("the header has no shape of the network")
    return rebuilt(KtNetConfig(), model)
