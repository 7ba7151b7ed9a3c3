"""The adaptive reference: dopri5 of torchdiffeq on the oracle's right-hand side in float64."""

from typing import Any

from .arguments import is_tensor


def adaptive(
    p: Any, fields: tuple[Any, ...], duration: float, *, scheme: str, max_steps: int
) -> tuple[Any, int]:
    """P after a transport by adaptive Dormand-Prince 4(5), and the number of accepted steps.

    Parameters
    ----------
    p : (B, X, Y, Z) float32 or float64, NumPy or torch
        At the start; the result is of the same kind.
    fields : tuple
        Domain, velocity and diffusivity of the cells and faces, and the spacing in mm.
    duration : float
        Units of time.
    scheme : "upwind" or "muscl"
        In space.
    max_steps : int
        More are refused.

    Raises
    ------
    ValueError
        torchdiffeq is missing; too many steps.
    """
    try:
        from torchdiffeq import odeint
    except ImportError as error:
        raise ValueError('integrator "rk45" needs torchdiffeq: pip install torchdiffeq') from error
    import torch

    from .kernels import oracle

    inside, velocity, diffusivity, spacing = fields
    numpy_in = not is_tensor(p)
    kept = torch.as_tensor(p)
    precise = torch.float64 if kept.device.type != "mps" else torch.float32
    inside = torch.as_tensor(inside)
    v, d = (tuple(torch.as_tensor(x).to(precise) for x in f) for f in (velocity, diffusivity))

    class Right:
        accepted = 0

        def __call__(self, _: Any, y: Any) -> Any:
            return oracle.rate(y, inside, v, d, spacing, scheme)

        def callback_accept_step(self, t: Any, y: Any, dt: Any) -> None:
            self.accepted += 1
            if self.accepted > max_steps:
                raise ValueError(f"the transport needs more than max_steps={max_steps} steps")

    right = Right()
    times = torch.tensor([0.0, duration], dtype=precise, device=kept.device)
    with torch.no_grad():
        end = odeint(right, kept.to(precise), times, method="dopri5", rtol=1e-7, atol=1e-9)[-1]
    out = end.to(kept.dtype)
    out = out.numpy() if numpy_in else out
    return out, right.accepted
