"""Numbers from arrays: errors, overlaps, calibration, statistics (floor 1)."""

from .errors import Errors, dice, errors, match_intensity

__all__ = ["Errors", "dice", "errors", "match_intensity"]
