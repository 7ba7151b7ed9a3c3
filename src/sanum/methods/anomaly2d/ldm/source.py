"""Batches of views, as of any detector, that know the scale of the latents where the U-Net learns."""

import torch
from torch import nn

from ...common.picture_recipe import PictureRecipe, PictureSourceOfBatches
from ...common.recipe import Batch
from ...common.squares import SquareStack
from .model import Ldm


class LatentSource(PictureSourceOfBatches):
    """Batches; once the autoencoder stands still they have "scale" (), 1 / std(z) over all pictures.

    Parameters
    ----------
    recipe : PictureRecipe
        Of the method.
    stack : SquareStack
        Normals to learn from.
    still_from : int
        Number of the first sample that the U-Net learns from.
    """

    def __init__(self, recipe: PictureRecipe, stack: SquareStack, still_from: int) -> None:
        super().__init__(recipe, stack)
        self.still_from = still_from
        self.net: Ldm | None = None
        self.scale: torch.Tensor | None = None

    def build(self) -> nn.Module:
        """The recipe's networks, which the scale is measured by."""
        net = super().build()
        assert isinstance(net, Ldm)
        self.net = net
        return net

    def batch(self, samples: range) -> Batch:
        """One batch.

        Parameters
        ----------
        samples : range
            Numbers of its samples.
        """
        found = super().batch(samples)
        if samples.start < self.still_from:
            return found
        if self.scale is None:
            assert self.net is not None
            device = next(self.net.parameters()).device
            self.net.rescale(image for image, _ in self.recipe.parts(self.stack, device))
            self.scale = self.net.scale.clone()
        return {**found, "scale": self.scale}
