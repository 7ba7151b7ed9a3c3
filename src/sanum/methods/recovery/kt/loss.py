"""Objective: root of the power of the error, where that of the movement is 1."""

import torch

LEAST_MOVEMENT = 0.02
"""Of the brightest pixel: what moves less is not to be learned to the last digit."""


def recovery_loss(found: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """‖x − truth‖ / ‖truth − its mean over time‖, mean over the samples of a batch.

    Parameters
    ----------
    found, truth : (B, T, Y, X) complex tensor
        Movies on one scale.
    """
    peak = truth.abs().amax((1, 2, 3)).clamp_min(torch.finfo(torch.float32).tiny)
    error, movement = (
        torch.view_as_real(x).square().sum(-1).mean((1, 2, 3))
        for x in (found - truth, truth - truth.mean(1, keepdim=True))
    )
    return ((error + (1e-6 * peak) ** 2) / (movement + (LEAST_MOVEMENT * peak) ** 2)).sqrt().mean()
