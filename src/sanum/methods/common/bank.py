"""Patches of normals that stand for all of them, and how far a patch is from the nearest."""

import torch

PROJECTED = 32
"""Random dimensions in which the core set is chosen: distances are kept well enough."""

AT_ONCE = 4096


def core_set(rows: torch.Tensor, count: int, *, seed: int) -> torch.Tensor:
    """Places of `count` rows that cover all: each next is the one farthest from those chosen (Gonzalez 1985).

    Parameters
    ----------
    rows : (N, D) float32
        Patches.
    count : int
        At most N are chosen.
    seed : int
        Of the projection and of the first row.
    """
    if count >= len(rows):
        return torch.arange(len(rows))
    draw = torch.Generator().manual_seed(seed)
    if rows.shape[1] > PROJECTED:
        rows = rows @ torch.randn(rows.shape[1], PROJECTED, generator=draw)
    squares = rows.square().sum(1)
    nearest = torch.full((len(rows),), torch.inf)
    chosen = torch.empty(count, dtype=torch.long)
    place = int(torch.randint(len(rows), (1,), generator=draw))
    for n in range(count):
        chosen[n] = place
        nearest = torch.minimum(nearest, squares + squares[place] - 2 * (rows @ rows[place]))
        nearest[place] = -torch.inf  # rounding must not choose a row twice
        place = int(nearest.argmax())
    return chosen


def distances(rows: torch.Tensor, bank: torch.Tensor, neighbours: int = 1) -> torch.Tensor:
    """Mean distance (N,) to the nearest rows of a bank.

    Parameters
    ----------
    rows : (N, D) float32
        Patches.
    bank : (M, D) float32
        Those of normals.
    neighbours : int
        Over how many the mean is taken.
    """
    squares = bank.square().sum(1)
    found = []
    whole = torch.compiler.is_exporting()  # a graph is for any number of rows
    for part in (rows,) if whole else rows.split(AT_ONCE):
        near = torch.addmm(squares, part, bank.T, alpha=-2).topk(neighbours, 1, largest=False).indices
        found.append((bank[near] - part[:, None]).norm(dim=2).mean(1))  # again, without cancellation
    return torch.cat(found)
