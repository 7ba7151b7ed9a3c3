"""How well the centre lines of thin objects agree: clDice (CVPR 2021), number and loss, and a distance.

All stand on `sanum.nets.skeleton`, whose skeletons have the topology of their objects.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, max_pool3d, one_hot

from ..nets.skeleton import binarise, skeletonize


def centerline_dice(found: npt.ArrayLike, truth: npt.ArrayLike) -> float:
    """Harmonic mean of two shares: of the skeleton found that is in `truth`, and of the true one in `found`.

    Parameters
    ----------
    found, truth : (Y, X) or (Z, Y, X) array
        Masks of bool, or of 0 and 1; neither is empty.

    Examples
    --------
    >>> vessel = np.zeros((9, 24), bool)
    >>> vessel[3:6, 2:22] = True
    >>> broken = vessel.copy()
    >>> broken[:, 10:14] = False
    >>> round(centerline_dice(broken, vessel), 2), centerline_dice(vessel, vessel)
    (0.87, 1.0)
    """
    masks = []
    for name, mask in (("found", found), ("truth", truth)):
        array = np.asarray(mask)
        if not np.isin(array, (0, 1)).all():
            raise ValueError(f"centerline_dice wants masks of 0 and 1: {name} has other values")
        if not array.any():
            raise ValueError(f"centerline_dice needs a centre line: the mask {name} is empty")
        masks.append(torch.from_numpy(array.astype(bool)))
    if masks[0].shape != masks[1].shape:
        shapes = tuple(masks[0].shape), tuple(masks[1].shape)
        raise ValueError(
            f"found and truth have the shapes {shapes[0]} and {shapes[1]}; they must be the same"
        )
    lines = [skeletonize(mask[None, None])[0, 0] for mask in masks]
    precision, sensitivity = (
        float((line & mask).sum() / line.sum()) for line, mask in zip(lines, masks[::-1], strict=True)
    )
    return 2 * precision * sensitivity / (precision + sensitivity) if precision + sensitivity else 0.0


def skeleton_distance(
    p: Tensor,
    truth: Tensor,
    *,
    spacing_mm: Sequence[float] | None = None,
    num_iter: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Mean distance from the skeleton of `p` to the nearest point of that of `truth`; the mean of all images.

    For registration: it goes down as `p`, resampled, moves onto `truth`. The gradient has the direction, and
    not the length, of the change; take steps of a length of your own.

    Parameters
    ----------
    p : (B, C, Y, X) or (B, C, Z, Y, X)
        Probabilities of the moving object, in [0, 1].
    truth : the same shape
        The fixed object, 0 and 1.
    spacing_mm : float for each axis of the image, optional
        Size of a voxel; default 1, which gives voxels.
    num_iter, generator
        See `TopologyLoss`.
    """
    if p.shape != truth.shape:
        shapes = tuple(p.shape), tuple(truth.shape)
        raise ValueError(f"p and truth have the shapes {shapes[0]} and {shapes[1]}; they must be the same")
    if spacing_mm is not None and len(spacing_mm) != p.ndim - 2:
        raise ValueError(f"spacing_mm needs {p.ndim - 2} numbers, not {len(spacing_mm)}")
    with torch.no_grad():
        fixed = skeletonize(truth, num_iter=num_iter).flatten(0, 1).cpu().numpy() == 0
    thin = skeletonize(binarise(p.float(), generator=generator), num_iter=num_iter).flatten(0, 1)
    size = thin.flatten(1).sum(1)
    if fixed.reshape(len(fixed), -1).all(1).any() or not bool((size > 0).all()):
        raise ValueError("skeleton_distance needs objects in both images: one of them is empty")
    far = np.stack([ndimage.distance_transform_edt(f, sampling=spacing_mm) for f in fixed])
    distance = torch.from_numpy(far).to(thin)
    return ((thin * distance).flatten(1).sum(1) / size).mean()


class TopologyLoss(nn.Module):
    """(1 − α)·(1 − Dice) + α·(1 − clDice), the skeletons exact; the mean over images and channels.

    Arguments and their order are those of MONAI's losses, so that it stands where `DiceLoss` does. Half
    precision (autocast) is made float32 before anything is computed.

    The skeleton of the prediction is held: gradients flow to the voxels that are on it, and to those that
    would be an island. With the gradient of `skeletonize`, vessels shrank by a tenth and more (see the
    how-to).

    Parameters
    ----------
    include_background : bool
        Whether the first of several channels counts.
    to_onehot_y : bool
        The target has one channel of labels.
    sigmoid, softmax : bool
        The input is logits, one or the other of which makes probabilities; at most one.
    alpha : float
        Weight of clDice, in [0, 1].
    num_iter : int, optional
        Iterations of thinning, about the largest radius in voxels. None: to the end.
    generator : torch.Generator, optional
        Of the noise with which probabilities become 0 or 1 (`binarise`), on the input's device. None: none.
    smooth : float
        Added to numerators and denominators: an empty prediction has Dice 0, and precision 1.
    """

    def __init__(
        self,
        include_background: bool = True,
        to_onehot_y: bool = False,
        sigmoid: bool = False,
        softmax: bool = False,
        *,
        alpha: float = 0.5,
        num_iter: int | None = None,
        generator: torch.Generator | None = None,
        smooth: float = 1e-5,
    ) -> None:
        super().__init__()
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha must be in [0, 1], not {alpha}")
        if sigmoid and softmax:
            raise ValueError("sigmoid and softmax both make probabilities: choose one")
        self.include_background, self.to_onehot_y = include_background, to_onehot_y
        self.sigmoid, self.softmax = sigmoid, softmax
        self.alpha, self.num_iter, self.generator, self.smooth = alpha, num_iter, generator, smooth

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss.

        Parameters
        ----------
        input : (B, C, Y, X) or (B, C, Z, Y, X)
            Probabilities, or logits (see `sigmoid`).
        target : the same shape
            0 and 1; or (B, 1, …) labels with `to_onehot_y`.
        """
        p, y = self._channels(input if input.dtype == torch.float64 else input.float(), target)
        axes = tuple(range(2, p.ndim))

        def share(part: Tensor, whole: Tensor) -> Tensor:
            return (part.sum(axes) + self.smooth) / (whole.sum(axes) + self.smooth)

        dice = share(2 * p * y, p + y)
        if self.alpha == 0:
            return (1 - dice).mean()
        mask = binarise(p, generator=self.generator)
        solid = mask.detach()
        thin = mask * (skeletonize(solid, num_iter=self.num_iter) + _alone(solid))
        precision = share(thin * y, thin)
        true = skeletonize(y, num_iter=self.num_iter)
        sensitivity = share(true * p, true)
        lines = 2 * precision * sensitivity / (precision + sensitivity)
        return ((1 - self.alpha) * (1 - dice) + self.alpha * (1 - lines)).mean()

    def _channels(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities and target of the channels that count, both float32."""
        channels = x.shape[1]
        if channels == 1 and (self.softmax or self.to_onehot_y or not self.include_background):
            raise ValueError(
                "softmax, to_onehot_y and include_background=False need two channels or more in the input"
            )
        if self.to_onehot_y:
            if target.shape[1] != 1:
                raise ValueError(f"to_onehot_y wants a target of one channel, not {target.shape[1]}")
            target = one_hot(target[:, 0].long(), channels).movedim(-1, 1)
        if target.shape != x.shape:
            shapes = tuple(x.shape), tuple(target.shape)
            raise ValueError(
                f"input and target have the shapes {shapes[0]} and {shapes[1]}; they must be the same"
            )
        p = torch.sigmoid(x) if self.sigmoid else x.softmax(1) if self.softmax else x
        first = 0 if self.include_background else 1
        return p[:, first:], target[:, first:].to(p.dtype)


def _alone(mask: Tensor) -> Tensor:
    """1 at background without a neighbour in the object, else 0."""
    pool = max_pool2d if mask.ndim == 4 else max_pool3d
    return 1 - pool(mask, 3, stride=1, padding=1)
