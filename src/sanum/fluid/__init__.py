"""How anomalies grow: noise, shapes, incompressible flow, transport (floor 1).

Arrays in, arrays out; no files, no networks.
"""

from .flow import Flow, border_ramp, draw_flow
from .noise import gradient_noise
from .shapes import bank_shape, ellipsoid_shape, noise_shape
from .transport import Trajectory, Transported, trajectory, transport

__all__ = [
    "Flow",
    "Trajectory",
    "Transported",
    "bank_shape",
    "border_ramp",
    "draw_flow",
    "ellipsoid_shape",
    "gradient_noise",
    "noise_shape",
    "trajectory",
    "transport",
]
