"""A skeleton of the very topology of its object, through which gradients flow, in 2-D and 3-D.

After M. J. Menten et al., "A skeletonization algorithm for gradient-based optimization", ICCV 2023.

**Forward.** `binarise` makes 0 and 1 of probabilities. `skeletonize` thins: voxels are dealt out by the
parity of their indices to eight sub-fields, which take turns. A voxel goes if it is simple (without it the
object has as many parts, tunnels and cavities) and was no end point when the iteration began (at most one of
its 26 neighbours is object). No two voxels of a sub-field are neighbours, so all that may go do so at once.
An object keeps its Betti numbers; in 2-D, where the image is one plane of a volume, objects have 8 neighbours
and the background 4.

**Backward.** With x the voxel, s whether it is simple, e whether it was an end point, and F the six faces,

    d = s · (1 − e) · max over F of (1 − x_f),    x' = x − relu(x + d − 1)

which is min(x, 1 − d). The maximum is 1 for every simple voxel, so no value is changed by it. At 0 and 1 the
test s, made of products and of "exactly one", stands on a plateau; so does e wherever d = 1: neither has a
gradient. Ties have one answer: relu'(0) = 0, and a maximum shares evenly. So

* a voxel that stays (x = 1, d = 0), and one of the background, hand their gradient on to themselves;
* a voxel that goes (x = d = 1) hands its gradient to the faces from which it was peeled, in equal shares:
  to keep it, fill what is outside of it. They may have been peeled before, and so on, outwards.

A skeleton moves when the border of the object does, and this is the direction. No step enlarges the sum of
absolute values, so the gradient of a hundred iterations does not explode; and what survives is not damped, as
it is by PyTorch's minimum, where the tie of a voxel that stays halves its gradient in every iteration.

The backends do the same: `torch` computes these formulas on any device and lets autograd go back; `numba`, on
a CPU, keeps the list of deletions and goes through it backwards.
"""

from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..types import AnyArray
from . import skeleton_torch

SimpleTest = Literal["boolean", "euler"]
SkeletonBackend = Literal["auto", "numba", "torch"]
_NUMBERS = (torch.float32, torch.float64)
_TINY = 1e-8


def binarise(
    p: Tensor, *, generator: torch.Generator | None = None, beta: float = 0.33, tau: float = 1.0
) -> Tensor:
    """0 or 1 for each probability, by logistic noise; gradients go straight through.

    q = sigmoid((logit p + β·log(u / (1 − u))) / τ) with u uniform; the value is [q > ½], and the gradient is
    that of q. So 1 comes with probability sigmoid(logit p / β).

    Parameters
    ----------
    p : float32 or float64 tensor
        Probabilities in [0, 1].
    generator : torch.Generator, optional
        Of u, on the device of `p`. None: no noise, and the value is [p > ½].
    beta : float
        Scale of the noise: none gives a thin gradient, much needs an average over some 20 draws.
    tau : float
        Temperature: the larger, the flatter the gradient.

    Examples
    --------
    >>> binarise(torch.tensor([0.2, 0.9]))
    tensor([0., 1.])
    """
    _refuse_other_numbers(p)
    if not bool(((p >= 0) & (p <= 1)).all()):
        raise ValueError("binarise wants probabilities in [0, 1]; use sigmoid or softmax before it")
    if beta < 0 or tau <= 0:
        raise ValueError(f"beta must be 0 or more and tau more than 0, not {beta} and {tau}")
    logit = torch.log((p + _TINY) / (1 - p + _TINY))
    if generator is not None:
        u = torch.rand(p.shape, generator=generator, dtype=p.dtype, device=p.device).clamp(_TINY, 1 - 1e-7)
        logit = logit + beta * (u.log() - torch.log1p(-u))
    z = logit / tau
    side = 1 - 2 * (z > 0).to(p.dtype)
    q = side * torch.sigmoid(side * z)  # less 1 above 0, where q could be rounded to 1 and lose its gradient
    return (z > 0).to(p.dtype) + (q - q.detach())  # the bracket is exactly 0


def skeletonize(
    x: Tensor,
    *,
    num_iter: int | None = None,
    test: SimpleTest = "boolean",
    backend: SkeletonBackend = "auto",
) -> Tensor:
    """Thin objects without a change of their topology; the gradient is explained at the top of this module.

    Flips of the image flip the skeleton along axes of odd length; along others the sub-fields change their
    turns, and the skeleton is another one of the same topology.

    Parameters
    ----------
    x : (B, C, Y, X) or (B, C, Z, Y, X) tensor
        Of 0 and 1, each channel on its own: float32, float64, integers or bool (of which the last two have no
        gradient).
        Axes of an image have 3 elements or more. An empty image gives an empty skeleton.
    num_iter : int, optional
        Iterations at most; about as many as the largest radius in voxels thin to the end. None: until nothing
        changes.
    test : "boolean" or "euler"
        Bertrand's, which is exact. Or the Euler characteristic, which is approximate: in 3-D it may split an
        object and fill its tunnel at once.
    backend : "auto", "numba" or "torch"
        The same bits come out of both. `torch` works on any device; `numba` is much faster, on a CPU.
        auto: numba for tensors on a CPU.

    Returns
    -------
    tensor
        As `x`.

    Examples
    --------
    >>> bar = torch.zeros(1, 1, 5, 7)
    >>> bar[..., 1:4, 1:6] = 1
    >>> skeletonize(bar.bool())[0, 0].long()
    tensor([[0, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0, 0],
            [0, 0, 1, 1, 1, 0, 0],
            [0, 0, 0, 0, 0, 0, 0],
            [0, 0, 0, 0, 0, 0, 0]])
    """
    for value, known in ((test, get_args(SimpleTest)), (backend, get_args(SkeletonBackend))):
        if value not in known:
            raise ValueError(f"skeletonize knows {', '.join(known)}, not {value!r}")
    if backend == "numba" and x.device.type != "cpu":
        raise ValueError(f"the backend numba is for tensors on a CPU, not on {x.device}; use torch")
    _check(x, num_iter)
    number = x if x.is_floating_point() else x.to(torch.float32)
    depth = (1, *x.shape[2:]) if x.ndim == 4 else x.shape[2:]
    volumes = number.reshape(-1, *depth)
    if backend == "torch" or x.device.type != "cpu":
        thin = skeleton_torch.thin(volumes, num_iter, test == "euler")
    else:
        thin = _Thinned.apply(volumes, num_iter, test == "euler")  # type: ignore[no-untyped-call]
    return thin.reshape(x.shape).to(x.dtype)


def _refuse_other_numbers(x: Tensor) -> None:
    if x.dtype not in _NUMBERS:
        name = str(x.dtype).removeprefix("torch.")
        raise ValueError(f"{name} is not exact here: give float32 or float64, as x.float() does")


def _check(x: Tensor, num_iter: int | None) -> None:
    if x.ndim not in (4, 5):
        raise ValueError(f"skeletonize wants (B, C, Y, X) or (B, C, Z, Y, X), not {x.ndim} axes")
    if min(x.shape[2:]) < 3:
        raise ValueError(
            f"axes of an image must have 3 elements or more, not {tuple(x.shape[2:])}; "
            "give one plane of a volume as an image of two axes"
        )
    if num_iter is not None and num_iter < 0:
        raise ValueError(f"num_iter must be 0 or more, or None: thin to the end; not {num_iter}")
    if x.is_floating_point():
        _refuse_other_numbers(x)
    if x.dtype != torch.bool and not bool(((x == 0) | (x == 1)).all()):
        raise ValueError("skeletonize wants a mask of 0 and 1; binarise makes one of probabilities")


class _Thinned(torch.autograd.Function):
    """`skeleton_cpu` with the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, most: int | None, euler: bool) -> Tensor:
        from .skeleton_cpu import HERE, thin

        out = torch.empty_like(x)
        deleted: list[tuple[AnyArray, AnyArray]] = []
        for n in range(len(x)):
            solid = x[n].detach().numpy() != 0
            volume = np.pad(solid.astype(np.uint8, order="C"), 1)  # pad keeps the order, the kernel wants C
            size = int(solid.sum())
            order, empty = np.empty(size, np.int64), np.empty(size, np.uint8)
            done = thin(volume, np.iinfo(np.int64).max if most is None else most, euler, order, empty)
            deleted.append((order[:done].copy(), empty[:done].copy()))
            out[n] = torch.from_numpy(volume[1:-1, 1:-1, 1:-1] & HERE)
        ctx.deleted = deleted
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        from .skeleton_cpu import send_back

        back = torch.empty_like(gradient)
        for n, (order, empty) in enumerate(ctx.deleted):
            padded = np.pad(np.ascontiguousarray(gradient[n].numpy()), 1)
            send_back(padded, order, empty)
            back[n] = torch.from_numpy(padded[1:-1, 1:-1, 1:-1])
        return back, None, None
