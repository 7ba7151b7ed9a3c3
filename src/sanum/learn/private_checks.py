"""Whether a network and its loss can be trained privately, tried out on four samples before the first step.

None of this guards the promise: each gradient is of one person whatever the loss does with a batch. It guards
the meaning. A loss that compares people has none for one person alone.
"""

from collections.abc import Collection, Sequence

import torch
from torch import nn

from .draws import drawn_from
from .memory import is_out_of_memory, kept_by_autograd
from .per_sample import PerSample
from .step import Batch

SEPARATE = 1e-4  # of the losses, what rounding may make of a sum in another order
DRAWS = 7  # seed of what a loss draws meanwhile
CHUNK_BYTES = 1_000_000_000


def require_no_batch_norm(model: nn.Module) -> None:
    """Raise ValueError with the name of the first batch norm.

    Parameters
    ----------
    model : Module
        The network.
    """
    for name, part in model.named_modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            raise ValueError(
                f"{name or 'the network'} is batch norm, which mixes the people of a batch: private training "
                "needs group norm in its place (--set norm=group, where the recipe has it)"
            )


@torch.no_grad()
def require_separate(objective: nn.Module, batch: Batch, shared: Collection[str]) -> tuple[str, ...]:
    """Names of a loss's values, "loss" first.

    With two people each, L(a, b) + L(c, d) = L(a, d) + L(c, b) for a mean over people, whatever is drawn; and
    L(a, b, a, b) = L(a, b), or is nearer to it than to twice as much, where something is drawn.

    Parameters
    ----------
    objective : Module
        Network and loss, in training mode afterwards.
    batch : dict of tensor
        Four samples, on the device.
    shared : collection of str
        What of it is not of any sample.

    Raises
    ------
    ValueError
        The loss is no mean over samples; a buffer remembers what went through the network.
    """
    objective.train()
    before = {name: x.clone() for name, x in objective.named_buffers()}
    found, terms = {}, {}
    for some in ((0, 1), (2, 3), (0, 3), (2, 1), (0, 1, 0, 1)):
        with drawn_from(DRAWS, next(objective.parameters()).device):
            loss, terms = objective(_rows(batch, some, shared))
        found[some] = float(loss)
    changed = [name for name, x in objective.named_buffers() if not torch.equal(x, before[name])]
    for name, x in objective.named_buffers():
        x.copy_(before[name])
    if changed:
        raise ValueError(
            f"{changed[0].removeprefix('model.')} remembers the people that went through the network: "
            "private training needs a network without such a buffer"
        )
    difference = found[0, 1] + found[2, 3] - found[0, 3] - found[2, 1]
    if not abs(difference) <= SEPARATE * sum(map(abs, found.values())):
        raise ValueError(
            "the loss is not a mean over people: what it makes of one depends on who else is in the batch, "
            "so it cannot be trained privately"
        )
    once, twice = found[0, 1], found[0, 1, 0, 1]
    if abs(twice - 2 * once) < abs(twice - once):
        raise ValueError(
            "the loss is a sum over people, not a mean: divide it by their number, so that it can be "
            "trained privately"
        )
    return ("loss", *terms)


def can_be_mapped(by: PerSample, batch: Batch) -> bool:
    """Whether `torch.func.vmap` takes a network and its loss.

    Parameters
    ----------
    by : PerSample
        Of them.
    batch : dict of tensor
        At least one sample, on the device; one is tried.

    Raises
    ------
    RuntimeError
        There is too little memory even for one.
    """
    weights = {name: p.detach() for name, p in by.objective.named_parameters() if p.requires_grad}
    try:
        by.gradients(weights, _rows(batch, (0,), by.shared))
    except RuntimeError as error:  # it looks at values, draws, or writes into what all samples share
        if is_out_of_memory(error):
            raise
        return False
    return True


def samples_at_a_time(by: PerSample, batch: Batch, copies: int) -> int:
    """How many samples' gradients fit into a gigabyte, with what autograd keeps for them; at least one.

    Parameters
    ----------
    by : PerSample
        Network and loss.
    batch : dict of tensor
        Samples, on the device.
    copies : int
        Numbers that a step holds for each sample and weight.
    """
    weights = sum(p.numel() for p in by.objective.parameters() if p.requires_grad)
    one = _rows(batch, (0,), by.shared)
    with drawn_from(DRAWS, next(by.objective.parameters()).device):
        kept = kept_by_autograd(by.objective, lambda: by.objective(one))
    return max(1, CHUNK_BYTES // (4 * copies * weights + 2 * kept))


def _rows(batch: Batch, chosen: Sequence[int], shared: Collection[str]) -> Batch:
    return {name: x if name in shared else x[list(chosen)] for name, x in batch.items()}
