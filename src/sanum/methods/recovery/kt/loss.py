"""Objective: mean absolute difference of complex images, where the brightest true pixel is 1."""

import torch


def recovery_loss(found: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Mean |x − truth| / max |truth|, over the samples of a batch.

    Parameters
    ----------
    found, truth : (B, T, Y, X) complex tensor
        Movies on one scale.
    """
    peak = truth.abs().amax((1, 2, 3)).clamp_min(torch.finfo(torch.float32).tiny)
    difference = torch.view_as_real(found - truth).square().sum(-1)
    return ((difference + 1e-12).sqrt().mean((1, 2, 3)) / peak).mean()
