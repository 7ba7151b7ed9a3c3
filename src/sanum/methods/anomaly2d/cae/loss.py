"""The objective: the mean squared error over the valid pixels."""

import torch

from ...common.residual import squared_error


def objective(
    made: torch.Tensor, image: torch.Tensor, valid: torch.Tensor
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Mean over the batch of (x̂ − x)², and the same as its term.

    Parameters
    ----------
    made : (B, C, S, S) float
        x̂.
    image : (B, C, S, S) float
        x.
    valid : (B, 1, S, S) float
        1 where the image is.
    """
    error = squared_error(image, made, valid).mean()
    return error, {"mse": error.detach()}
