"""A network from the header of a weight file, compared with the weights before it takes memory."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from ...learn.checkpoint import misfit
from ...space.box import Box

MOST_LEVELS, WIDEST = 10, 4096
LONGEST_SIDE = 1024
FINEST_MM, COARSEST_MM = 0.1, 20.0


def widths_of(description: Mapping[str, Any]) -> tuple[int, ...]:
    """Feature maps of each level, as a header says them.

    Parameters
    ----------
    description : mapping
        The header.

    Raises
    ------
    ValueError
        They are none that a network can have.
    """
    widths = description.get("widths")
    is_list = isinstance(widths, (list, tuple)) and 2 <= len(widths) <= MOST_LEVELS
    if not is_list or not all(type(width) is int and 1 <= width <= WIDEST for width in widths or ()):
        raise ValueError(f"its widths are not 2 to {MOST_LEVELS} whole numbers up to {WIDEST}")
    return tuple(widths or ())


def box_of(description: Mapping[str, Any], default: Box | None = None) -> Box:
    """The box that a network sees, as a header says it.

    Parameters
    ----------
    description : mapping
        The header.
    default : Box, optional
        Where the header does not say it.

    Raises
    ------
    ValueError
        No box, or one that no head needs.
    """
    shape = description.get("shape", default and default.shape)
    spacing_mm = description.get("spacing_mm", default and default.spacing_mm)
    if not isinstance(shape, (list, tuple)) or not all(type(n) is int and n <= LONGEST_SIDE for n in shape):
        raise ValueError(f"its shape is not three whole numbers up to {LONGEST_SIDE}")
    if type(spacing_mm) not in (int, float):
        raise ValueError(f"its voxels are not of {FINEST_MM} to {COARSEST_MM} mm")
    box = Box(tuple(shape), spacing_mm)
    if not FINEST_MM <= box.spacing_mm <= COARSEST_MM:
        raise ValueError(f"its voxels are not of {FINEST_MM} to {COARSEST_MM} mm")
    return box


def build_for(
    state: Mapping[str, torch.Tensor], widths: tuple[int, ...], build: Callable[[], nn.Module]
) -> Any:
    """The network of `build` with these weights, if they are of it.

    A header may ask for a network of gigabytes, of which the file holds nothing. So where the file has fewer
    numbers than a convolution of the widest level, the network is built without memory first (for which
    PyTorch loads a second's worth of modules), to see whether they fit.

    Parameters
    ----------
    state : mapping of tensor
        Weights by name.
    widths : tuple of int
        Feature maps of its levels.
    build : function
        Makes the network.

    Raises
    ------
    ValueError
        The weights are not of this network: the first difference.
    """
    if sum(x.numel() for x in state.values()) < 27 * max(widths) ** 2:
        with torch.device("meta"):
            planned = build().state_dict()
        if difference := misfit(state, planned):
            raise ValueError(difference)
    net = build()
    if difference := misfit(state, net.state_dict()):
        raise ValueError(difference)
    net.load_state_dict(dict(state))
    return net
