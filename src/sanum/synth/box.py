"""The default box of samples."""

from ..space.box import Box

DEFAULT_BOX = Box((80, 96, 80), 2.0)
"""Holds a whole brain in any pose; the shipped weights use the same."""

DEFAULT_GRID = DEFAULT_BOX.grid()
"""The box with its middle at the origin."""
