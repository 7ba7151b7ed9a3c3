"""Several scans of one head as one batch, for methods that learn from them."""

import torch

from .recipe import Batch


def views(batch: Batch) -> torch.Tensor:
    """(B·V, 1, X, Y, Z): the scans of each head, those of one head in a row.

    Parameters
    ----------
    batch : dict of Tensor
        Of `synth.stream.Stream` with `sampling.views`: `image` (B, 2, X, Y, Z), `views` (B, V − 1, X, Y, Z).
    """
    return torch.cat([batch["image"][:, :1], batch["views"]], dim=1).flatten(0, 1)[:, None]
