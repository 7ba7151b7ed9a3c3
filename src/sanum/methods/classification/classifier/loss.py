"""Cross-entropy, weighted so that the rarer class counts as much as the other."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F


def class_weights(labels: Sequence[int] | npt.NDArray[np.integer]) -> torch.Tensor:
    """w_c = N / (2 N_c), (2,) float32: inverse to the classes' frequency, of mean 1 over the images.

    Parameters
    ----------
    labels : (N,) int
        0 normal, 1 abnormal; both are there.

    Examples
    --------
    >>> class_weights([0, 0, 0, 1]).tolist()
    [0.6666666865348816, 2.0]
    """
    counts = np.bincount(np.asarray(labels), minlength=2)
    return torch.tensor(len(labels) / (2 * counts), dtype=torch.float32)


def weighted_cross_entropy(logits: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """−∑ w_y log softmax(logits)_y / ∑ w_y, a scalar.

    Parameters
    ----------
    logits : (B, 2) tensor
        Of normal and abnormal.
    labels : (B,) int tensor
        y.
    weights : (2,) tensor
        w.
    """
    return F.cross_entropy(logits, labels, weight=weights)
