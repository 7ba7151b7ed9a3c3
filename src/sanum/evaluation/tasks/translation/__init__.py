"""Scans translated from one contrast to another: pairs, numbers, baselines, layout of the tables."""

from .baselines import BASELINES, TableBaseline
from .cases import Measuring, PairCase, find_pair_cases
from .finders import ThresholdFinder, TrainedFinder
from .look import SeenPairs, first_look
from .task import ContrastTranslation, ModelOnPairs

__all__ = [
    "BASELINES",
    "ContrastTranslation",
    "Measuring",
    "ModelOnPairs",
    "PairCase",
    "SeenPairs",
    "TableBaseline",
    "ThresholdFinder",
    "TrainedFinder",
    "find_pair_cases",
    "first_look",
]
