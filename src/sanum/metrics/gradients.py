"""What clipping does to a gradient: its direction, its size, and how long single ones are."""

from collections.abc import Mapping

import torch

TINY = 1e-30  # of a norm, so that a gradient of zeros has no direction instead of NaN


def norm(x: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """‖x‖ over all tensors, a scalar.

    Parameters
    ----------
    x : mapping of tensor
        By name of the weight; at least one.
    """
    parts = torch.stack([torch.linalg.vector_norm(part) for part in x.values()])
    found: torch.Tensor = torch.linalg.vector_norm(parts)
    return found


def cosine(one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Cosine of the angle between two gradients, a scalar; 0 if one of them is 0.

    Parameters
    ----------
    one, other : mapping of tensor
        Of the same names and shapes.
    """
    product = torch.stack([(x * other[name]).sum() for name, x in one.items()]).sum()
    return product / (norm(one) * norm(other)).clamp_min(TINY)


def relative_bias(clipped: Mapping[str, torch.Tensor], raw: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """‖clipped − raw‖ / ‖raw‖, a scalar: unlike ‖clipped − raw‖ it is not larger for a slower learner.

    Parameters
    ----------
    clipped, raw : mapping of tensor
        Sums, or means, of the same samples' gradients.
    """
    return norm({name: x - raw[name] for name, x in clipped.items()}) / norm(raw).clamp_min(TINY)
