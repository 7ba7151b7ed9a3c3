"""The network: a point and the latent of its subject in, an intensity and classes out.

No grid is in it. Hidden layers are as wide as the latent, because the first one adds the latent to its
result.
"""

from typing import Any, Literal

import torch
from torch import nn

LayerKind = Literal["gabor", "siren", "relu"]
COORDINATES = 5
"""x, y, z, and two of time."""

LATENT_STD = 1e-4
"""Of a fresh latent."""


class _Gabor(torch.autograd.Function):
    """cos(w0·a)·exp(−(s0·b)²) with its gradient in closed form: a third less time than autograd's."""

    @staticmethod
    def forward(ctx: Any, linear: torch.Tensor, w0: float, s0: float) -> torch.Tensor:
        a, b = linear.chunk(2, dim=-1)
        a, b = a * w0, b * s0
        envelope = (b * b).neg_().exp_()
        value = torch.cos(a).mul_(envelope)
        if ctx.needs_input_grad[0]:
            ctx.save_for_backward(value, torch.sin(a).mul_(envelope), b)
            ctx.constants = w0, s0
        return value

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        (value, sine, b), (w0, s0) = ctx.saved_tensors, ctx.constants
        of_a = (sine * gradients[0]).mul_(-w0)
        of_b = (value * gradients[0]).mul_(b).mul_(-2 * s0)
        return torch.cat([of_a, of_b], dim=-1), None, None


def gabor(linear: torch.Tensor, w0: float, s0: float) -> torch.Tensor:
    """Real Gabor wavelet, cos(w0·a) · exp(−(s0·b)²).

    Parameters
    ----------
    linear : (…, 2 width) tensor
        a, then b.
    w0, s0 : float
        Frequency and sharpness.
    """
    value: torch.Tensor = _Gabor.apply(linear, w0, s0)  # type: ignore[no-untyped-call]
    return value


class Layer(nn.Module):
    """One hidden layer, without its skip.

    Gabor (real wavelet): cos(w0·A x) · exp(−(s0·B x)²), with two linear maps A and B of the same input.
    SIREN: sin(w0·A x). ReLU: max(0, A x).

    Parameters
    ----------
    inputs, width : int
        Numbers that come in and go out.
    kind : "gabor", "siren" or "relu"
        Which of the three.
    w0, s0 : float
        Frequency and sharpness. Where both are large, exp is 0 and the unit is dead.
    """

    def __init__(self, inputs: int, width: int, kind: LayerKind, w0: float, s0: float) -> None:
        super().__init__()
        self.kind, self.w0, self.s0 = kind, w0, s0
        self.linear = nn.Linear(inputs, 2 * width if kind == "gabor" else width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Values of the layer, (…, width), before the skip.

        Parameters
        ----------
        x : (…, inputs) tensor
            Of the layer before.
        """
        return self.activate(self.linear(x))

    def activate(self, linear: torch.Tensor) -> torch.Tensor:
        """The non-linearity.

        Parameters
        ----------
        linear : (…, width) tensor
            Result of the linear map; of a Gabor layer twice as wide, A before B.
        """
        if self.kind == "relu":
            return torch.relu(linear)
        if self.kind == "siren":
            return torch.sin(self.w0 * linear)
        return gabor(linear, self.w0, self.s0)


class Nisf(nn.Module):
    """Auto-decoder: coordinates and a latent → intensity and classes, from one trunk with two linear heads.

    Parameters
    ----------
    subjects : int
        Latents that are learned with the weights: one for each training stack.
    classes : int
        With the background.
    width : int
        Of the hidden layers and of a latent.
    depth : int
        Hidden layers.
    kind : "gabor", "siren" or "relu"
        Of the hidden layers.
    w0, s0 : float
        Of the hidden layers.
    gain : float
        What the stored latents are times: Adam moves the latents so many times faster than the weights.
    """

    steps: torch.Tensor
    """(2,): steps that a latent is fitted, alone and with the weights, as validation has chosen."""

    field: torch.Tensor
    """(2, 3): lowest and highest coordinates of what the prior knows."""

    def __init__(
        self,
        subjects: int,
        classes: int,
        *,
        width: int = 128,
        depth: int = 8,
        kind: LayerKind = "gabor",
        w0: float = 10.0,
        s0: float = 1.0,
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.first = Layer(COORDINATES + width, width, kind, w0, s0)
        self.hidden = nn.ModuleList(Layer(width, width, kind, w0, s0) for _ in range(depth - 1))
        self.heads = nn.Linear(width, 1 + classes)
        self.latents = nn.Embedding(subjects, width)
        self.gain = gain
        nn.init.normal_(self.latents.weight, std=LATENT_STD / gain)
        self.register_buffer("steps", torch.tensor([0, 0]))
        self.register_buffer("field", torch.tensor([[-1.0] * 3, [1.0] * 3]))

    def latents_of(self, subjects: torch.Tensor) -> torch.Tensor:
        """Learned latents, (B, width).

        Parameters
        ----------
        subjects : (B,) int64 tensor
            Numbers of training subjects.
        """
        found: torch.Tensor = self.gain * self.latents(subjects)
        return found

    def in_field(self, points: torch.Tensor) -> torch.Tensor:
        """Which points the prior knows, (…,) bool.

        Parameters
        ----------
        points : (…, 5) tensor
            Coordinates.
        """
        inside = (points[..., :3] >= self.field[0]) & (points[..., :3] <= self.field[1])
        return inside.all(-1)

    def forward(self, points: torch.Tensor, latents: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of the intensity, (B, N), and of the classes, (B, N, classes).

        The latent is the same for all points of a subject: its part of the first linear map is computed once.

        Parameters
        ----------
        points : (B, N, 5) tensor
            x, y, z and two of time, as `coordinates` makes them.
        latents : (B, width) tensor
            One for each subject.
        """
        weight, bias = self.first.linear.weight, self.first.linear.bias
        of_latent = nn.functional.linear(latents, weight[:, COORDINATES:], bias)[:, None]
        linear = nn.functional.linear(points, weight[:, :COORDINATES]) + of_latent
        x = self.first.activate(linear) + latents[:, None]
        for layer in self.hidden:
            x = layer(x) + x
        out = self.heads(x).float()
        return out[..., 0], out[..., 1:]
