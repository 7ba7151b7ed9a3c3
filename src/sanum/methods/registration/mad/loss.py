"""Objective of MAD: the distance, as in the paper, and the displacements that it is the mean of."""

import torch


def distance_error(found: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """Mean of |D − d|, in mm (after Sideri-Lampretsa et al., 2023).

    Parameters
    ----------
    found, true : (B,) float
        Mean displacements in mm.
    """
    return (found - true).abs().mean()


def displacement_error(found: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """Mean distance between where two affines put the same points, in mm.

    Parameters
    ----------
    found, true : (B, N, 3) float
        Displacements in mm.
    """
    return ((found - true).square().sum(-1) + 1e-4).sqrt().mean()
