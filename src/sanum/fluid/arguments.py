"""What the functions of this room take: seeds, spacings, masks and fields, each checked by name."""

import sys
from typing import Any

import numpy as np

from ..types import Mask


def is_tensor(x: Any) -> bool:
    """Whether `x` is a torch tensor, without importing torch.

    Parameters
    ----------
    x : object
        Anything.
    """
    torch = sys.modules.get("torch")  # if it was never imported, nothing is a tensor
    return torch is not None and isinstance(x, torch.Tensor)


def as_rng(rng: Any, name: str = "rng") -> np.random.Generator:
    """Random generator from one, or from a seed.

    Parameters
    ----------
    rng : Generator or int
        A generator comes back itself.
    name : str
        What the caller calls it.

    Examples
    --------
    >>> as_rng(7).random() == np.random.default_rng(7).random()
    True
    """
    if isinstance(rng, np.random.Generator):
        return rng
    if isinstance(rng, int | np.integer) and not isinstance(rng, bool) and rng >= 0:
        return np.random.default_rng(int(rng))
    raise TypeError(f"{name} must be a numpy Generator or a seed of at least 0, got {rng!r}")


def as_numbers(value: Any, axes: int, name: str, *, positive: bool = True) -> tuple[float, ...]:
    """One finite number for each axis.

    Parameters
    ----------
    value : float, or one per axis
        A single number stands for all axes.
    axes : int
        How many there are.
    name : str
        What the caller calls it.
    positive : bool
        Whether they must be above 0.

    Examples
    --------
    >>> as_numbers(2, 3, "spacing")
    (2.0, 2.0, 2.0)
    """
    try:
        single = isinstance(value, float | int | np.floating | np.integer)
        found = (float(value),) * axes if single else tuple(float(v) for v in value)
    except (TypeError, ValueError):
        found = ()
    if len(found) != axes or not all(np.isfinite(v) and (v > 0 or not positive) for v in found):
        kind = "positive" if positive else "finite"
        got = found or repr(value)
        raise ValueError(f"{name} must be {axes} {kind} numbers, or one for all axes, got {got}")
    return found


def check_number(value: Any, name: str, *, least: float = 0.0, above: bool = False) -> None:
    """Raise unless a value is a finite number of at least some size.

    Parameters
    ----------
    value : object
        What the caller was given.
    name : str
        What the caller calls it.
    least : float
        The smallest that is allowed.
    above : bool
        Whether `least` itself is not allowed.
    """
    if not isinstance(value, float | int | np.floating | np.integer):
        raise TypeError(f"{name} must be a number, got {value!r}")
    if not (value > least if above else value >= least) or value == np.inf:
        if least == 0:
            raise ValueError(
                f"{name} must be finite and {'positive' if above else 'not negative'}, got {value}"
            )
        raise ValueError(
            f"{name} must be finite and {'above' if above else 'at least'} {least:g}, got {value}"
        )


def as_array(x: Any, name: str) -> Any:
    """NumPy array of an array or a tensor; it shares the memory where it can.

    Parameters
    ----------
    x : NumPy array or torch tensor
        On any device.
    name : str
        What the caller calls it.
    """
    if is_tensor(x):
        return x.detach().cpu().numpy()
    if not isinstance(x, np.ndarray):
        raise TypeError(f"{name} must be a NumPy array or a torch tensor, got {type(x).__name__}")
    return x


def as_mask(mask: Any, name: str = "domain", *, empty: bool = False) -> Mask:
    """NumPy array of a boolean mask with two or three axes.

    Parameters
    ----------
    mask : (X, Y[, Z]) bool, NumPy array or torch tensor
        On any device.
    name : str
        What the caller calls it.
    empty : bool
        Whether it may be false everywhere.
    """
    found: Mask = as_array(mask, name)
    if found.dtype != np.bool_ or found.ndim not in (2, 3):
        raise ValueError(
            f"{name} must be a boolean mask with two or three axes, got {found.dtype} of shape {found.shape}"
        )
    if not empty and not found.any():
        raise ValueError(f"{name} is empty: it needs at least one voxel")
    return found


def like(given: Any, x: Any) -> Any:
    """`x` as a tensor on the device of what was given, if that is a tensor, else as it is.

    Parameters
    ----------
    given : NumPy array or torch tensor
        What the caller was given.
    x : NumPy array
        What it made of it.
    """
    if not is_tensor(given):
        return x
    import torch

    return torch.from_numpy(np.ascontiguousarray(x)).to(given.device)
