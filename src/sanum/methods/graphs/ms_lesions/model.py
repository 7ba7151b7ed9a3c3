"""The network: lesions hear of their neighbours, the better half of them is kept, and its sum decides."""

import math
from dataclasses import dataclass

import torch
from torch import nn

SLOPE = 0.2
"""Of the activation below 0."""


@dataclass(frozen=True)
class LesionNetConfig:
    """Shape of the network.

    Parameters
    ----------
    width : int
        Of a lesion before it hears of others.
    hidden : int
        Of a lesion afterwards.
    dropout : float
        Share of numbers that a training step does not see.
    ratio : float
        Share of the lesions of a patient that is kept, rounded up.
    gated : bool
        What is kept is multiplied by its score. Without it, as published, the loss cannot reach what decides
        which lesions are kept.
    """

    width: int = 64
    hidden: int = 8
    dropout: float = 0.5
    ratio: float = 0.5
    gated: bool = True

    def __post_init__(self) -> None:
        for name, least in (("width", 1), ("hidden", 2)):
            if getattr(self, name) < least:
                raise ValueError(f"model.{name} must be at least {least}, got {getattr(self, name)}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"model.dropout must be at least 0 and below 1, got {self.dropout}")
        if not 0 < self.ratio <= 1:
            raise ValueError(f"model.ratio must be above 0 and at most 1, got {self.ratio}")


@dataclass(frozen=True, eq=False)
class GraphAnswer:
    """What the network says of a batch.

    Parameters
    ----------
    logits : (B, 2) tensor
        Of the outcomes 0 and 1.
    importance : (B, N) tensor
        Score of each lesion, in (0, 1); 0 where there is none.
    kept : (B, N) bool tensor
        Lesions that the logits are made of.
    """

    logits: torch.Tensor
    importance: torch.Tensor
    kept: torch.Tensor


class GcnLayer(nn.Module):
    """dropout(norm(act(spread · x W + b + before))) (Kipf and Welling, ICLR 2017, with a residual).

    Parameters
    ----------
    inside, width : int
        Numbers of a lesion before and after.
    dropout : float
        In training.
    """

    def __init__(self, inside: int, width: int, dropout: float) -> None:
        super().__init__()
        self.linear = nn.Linear(inside, width, bias=False)
        self.bias = nn.Parameter(torch.zeros(width))
        self.after = nn.Sequential(nn.LeakyReLU(SLOPE), nn.LayerNorm(width), nn.Dropout(dropout))

    def forward(
        self, x: torch.Tensor, spread: torch.Tensor, before: torch.Tensor | float = 0.0
    ) -> torch.Tensor:
        """Lesions (B, N, width), after they heard of their neighbours.

        Parameters
        ----------
        x : (B, N, inside) tensor
            Lesions.
        spread : (B, N, N) tensor
            Of `graph.propagation`.
        before : (B, N, width) tensor, or 0
            What is added.
        """
        heard: torch.Tensor = self.after(spread @ self.linear(x) + self.bias + before)
        return heard


class LesionNet(nn.Module):
    """Graphs of lesions to logits.

    Parameters
    ----------
    features : int
        Numbers of a lesion.
    config : LesionNetConfig
        Its shape.
    """

    def __init__(self, features: int, config: LesionNetConfig) -> None:
        super().__init__()
        hidden, dropout = config.hidden, config.dropout
        self.config = config
        self.enter = nn.Linear(features, config.width)
        self.first = GcnLayer(config.width, hidden, dropout)
        self.second = GcnLayer(hidden, hidden, dropout)
        self.direction = nn.Parameter(torch.empty(hidden).uniform_(-1, 1) / math.sqrt(hidden))
        self.head = nn.Sequential(
            nn.Linear(hidden, hidden // 2),
            nn.LeakyReLU(SLOPE),
            nn.Dropout(dropout),
            nn.Linear(hidden // 2, 2),
        )

    def forward(self, nodes: torch.Tensor, spread: torch.Tensor, there: torch.Tensor) -> GraphAnswer:
        """Logits, and what they are made of.

        Parameters
        ----------
        nodes : (B, N, F) tensor
            Numbers of the lesions.
        spread : (B, N, N) tensor
            Of `graph.propagation`, 0 where there is no lesion.
        there : (B, N) bool tensor
            Where there is one.
        """
        x = self.first(self.enter(nodes), spread)
        x = self.second(x, spread, x)
        score = torch.sigmoid(x @ self.direction / self.direction.norm()).masked_fill(~there, 0.0)
        kept = keep(score, there, self.config.ratio)
        if self.config.gated:
            x = x * score[..., None]
        logits: torch.Tensor = self.head((x * kept[..., None]).sum(1))
        return GraphAnswer(logits, score, kept)


def keep(score: torch.Tensor, there: torch.Tensor, ratio: float) -> torch.Tensor:
    """The ⌈ratio · n⌉ lesions of largest score of each graph of n, (B, N) bool; of equal ones the first.

    Parameters
    ----------
    score : (B, N) tensor
        At least 0.
    there : (B, N) bool tensor
        Lesions; at least one in each graph.
    ratio : float
        In (0, 1].

    Examples
    --------
    >>> keep(torch.tensor([[0.2, 0.9, 0.4]]), torch.tensor([[True, True, True]]), 0.5).tolist()
    [[False, True, True]]
    """
    count = torch.ceil(there.sum(1) * ratio - 1e-4)
    order = score.masked_fill(~there, -1.0).argsort(dim=1, descending=True, stable=True)
    return (order.argsort(dim=1) < count[:, None]) & there
