"""Objective: cross-entropy of the outcome; the sampler balances the classes, so nothing is weighted."""

import torch
import torch.nn.functional as F


def outcome_loss(logits: torch.Tensor, outcome: torch.Tensor) -> torch.Tensor:
    """Mean of −log softmax(logits)[outcome].

    Parameters
    ----------
    logits : (B, 2) float
        Of outcomes 0 and 1.
    outcome : (B,) int
        0 or 1.
    """
    return F.cross_entropy(logits, outcome)
