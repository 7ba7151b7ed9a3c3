"""The box that samples have unless another is asked for."""

from ..space.box import Box

DEFAULT_BOX = Box((80, 96, 80), 2.0)
"""Holds a whole brain in any pose; the shipped weights look at the same."""

DEFAULT_GRID = DEFAULT_BOX.grid()
"""The box with its middle at the origin."""
