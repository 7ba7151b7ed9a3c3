"""How anomalies grow: noise, shapes, incompressible flow, transport (floor 1).

Arrays in, arrays out; no files, no networks.
"""

from .flow import Flow, border_ramp, draw_flow
from .noise import gradient_noise
from .shapes import noise_shape
from .transport import Transported, transport

__all__ = ["Flow", "Transported", "border_ramp", "draw_flow", "gradient_noise", "noise_shape", "transport"]
