"""The running mean of a network (EMA), which is what a training writes.

Batch norm keeps two buffers, mean and variance of what it sees, which are running means themselves. They are
averaged as the weights are. The alternative is to compute them anew, with the averaged weights, on many
batches (`torch.optim.swa_utils.update_bn`): exact, but each sheet and each checkpoint would need more data
and forward passes. The mean of a layer that is linear in its weights comes out exact; its variance a little
large, by the variance of the weights within the window, which is second order. A test compares both.

Integers, such as batch norm's count of batches, are copied.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


class Average:
    """Running mean of the weights and buffers of `model`, beginning with what they are.

    Parameters
    ----------
    model : Module
        On its device.
    """

    def __init__(self, model: nn.Module) -> None:
        self.state = {k: v.detach().clone() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, decay: float) -> None:
        """Take in the network after a step.

        Parameters
        ----------
        model : Module
            The same.
        decay : float
            Share of the past in the mean.
        """
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                self.state[name].lerp_(value, 1 - decay)
            else:
                self.state[name].copy_(value)

    def load(self, state: dict[str, torch.Tensor]) -> None:
        """Go on from a checkpoint.

        Parameters
        ----------
        state : dict
            As `self.state` was.
        """
        for name, value in state.items():
            self.state[name].copy_(value)

    @contextmanager
    def in_place_of(self, model: nn.Module) -> Iterator[None]:
        """`model` has the averaged weights, in evaluation mode; its own come back to the last bit.

        Parameters
        ----------
        model : Module
            The same.
        """
        own = {k: v.clone() for k, v in model.state_dict().items()}
        model.load_state_dict(self.state)
        model.eval()
        try:
            yield
        finally:
            model.load_state_dict(own)
            model.train()
