"""A patient's lesions as a graph: who is whose neighbour, how much it counts, and padded batches."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch

Numbers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class GraphConfig:
    """Edges of a patient's graph.

    Parameters
    ----------
    neighbours : int
        Each lesion hears of so many nearest ones; of all, where there are no more.
    kernel : "exponential" or "gaussian"
        Weight of an edge: exp(−d / length), or exp(−d² / (2 length²)).
    length_mm : float
        Length of the kernel.
    normalised : bool
        Lesions hear means of their neighbours, as published, and not sums: then how near a neighbour is
        hardly counts.
    """

    neighbours: int = 10
    kernel: Literal["exponential", "gaussian"] = "exponential"
    length_mm: float = 10.0
    normalised: bool = False

    def __post_init__(self) -> None:
        if self.neighbours < 1:
            raise ValueError(f"graph.neighbours must be at least 1, got {self.neighbours}")
        if not self.length_mm > 0:
            raise ValueError(f"graph.length_mm must be above 0, got {self.length_mm}")


def edges(centres_mm: npt.ArrayLike, config: GraphConfig) -> Numbers:
    """Weights (N, N): row i has those of the lesions that lesion i hears of; the others, and itself, have 0.

    It is not symmetric: a lesion far off has nearest neighbours that have nearer ones.

    Parameters
    ----------
    centres_mm : (N, 3) float
        Of the lesions.
    config : GraphConfig
        Neighbours and kernel.

    Examples
    --------
    >>> edges([[0, 0, 0], [10, 0, 0], [30, 0, 0]], GraphConfig(neighbours=1)).round(2).tolist()
    [[0.0, 0.37, 0.0], [0.37, 0.0, 0.0], [0.0, 0.14, 0.0]]
    """
    centres = np.asarray(centres_mm, dtype=np.float64)
    distance = np.linalg.norm(centres[:, None] - centres, axis=-1)
    np.fill_diagonal(distance, np.inf)
    nearest = np.argsort(distance, axis=1, kind="stable")[:, : min(config.neighbours, len(centres) - 1)]
    scaled = distance / config.length_mm
    weights = np.exp(-scaled if config.kernel == "exponential" else -(scaled**2) / 2)
    kept: Numbers = np.zeros_like(weights)
    np.put_along_axis(kept, nearest, np.take_along_axis(weights, nearest, axis=1), axis=1)
    return kept


def propagation(centres_mm: npt.ArrayLike, config: GraphConfig) -> Numbers:
    """W + I, or D^(−1/2) (W + I) D^(−1/2) with D the sums of its rows (Kipf and Welling, ICLR 2017).

    Parameters
    ----------
    centres_mm : (N, 3) float
        Of the lesions; one alone gives 1.
    config : GraphConfig
        Edges.
    """
    own = edges(centres_mm, config)
    own += np.eye(len(own))
    scale = own.sum(1) ** -0.5 if config.normalised else np.ones(len(own))
    spread: Numbers = scale[:, None] * own * scale
    return spread


@dataclass(frozen=True, eq=False)
class Graph:
    """A patient as the network sees it.

    Parameters
    ----------
    nodes : (N, F) float32 tensor
        Numbers of the lesions; the last three are coordinates.
    spread : (N, N) float32 tensor
        Of `propagation`.
    outcome : int
        0 or 1; -1: not known.
    """

    nodes: torch.Tensor
    spread: torch.Tensor
    outcome: int = -1


SEEN = ("nodes", "spread", "there")
"""What of a batch the network sees, in order."""

SOME = 32
"""Graphs that are computed at once where none is learned from."""


def parts(graphs: Sequence[Graph]) -> list[dict[str, torch.Tensor]]:
    """All graphs, as batches of `collate`.

    Parameters
    ----------
    graphs : sequence of Graph
        Any number.
    """
    return [collate(graphs[n : n + SOME]) for n in range(0, len(graphs), SOME)]


def collate(graphs: Sequence[Graph]) -> dict[str, torch.Tensor]:
    """Graphs as one batch, with lesions that are not there behind those that are.

    "nodes" (B, N, F), "spread" (B, N, N), "there" (B, N) bool, "outcome" (B,): 0 where nothing is.

    Parameters
    ----------
    graphs : sequence of Graph
        At least one.
    """
    most = max(len(graph.nodes) for graph in graphs)
    shape = len(graphs), most
    nodes = torch.zeros(*shape, graphs[0].nodes.shape[1])
    spread, there = torch.zeros(*shape, most), torch.zeros(shape, dtype=torch.bool)
    for b, graph in enumerate(graphs):
        n = len(graph.nodes)
        nodes[b, :n], spread[b, :n, :n], there[b, :n] = graph.nodes, graph.spread, True
    outcome = torch.tensor([graph.outcome for graph in graphs])
    return {"nodes": nodes, "spread": spread, "there": there, "outcome": outcome}
