"""What methods that reconstruct an image share: squared error and residual over its valid pixels."""

import torch


def squared_error(image: torch.Tensor, made: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
    """Mean over valid pixels and channels of (x̂ − x)², (B,).

    Parameters
    ----------
    image : (B, C, S, S) float
        x.
    made : (B, C, S, S) float
        x̂.
    valid : (B, 1, S, S) float
        1 where the image is.
    """
    count = valid.sum((1, 2, 3)).clamp_min(1) * image.shape[1]
    return ((made - image).square() * valid).sum((1, 2, 3)) / count


def residual(image: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
    """Mean over channels of |x̂ − x|, (B, S, S).

    Parameters
    ----------
    image : (B, C, S, S) float
        x.
    made : (B, C, S, S) float
        x̂.
    """
    return (made - image).abs().mean(1)
