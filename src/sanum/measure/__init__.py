"""Numbers from arrays: errors, overlaps, protocols (floor 1)."""

from .metrics import Errors, dice, errors, match_intensity

__all__ = ["Errors", "dice", "errors", "match_intensity"]
