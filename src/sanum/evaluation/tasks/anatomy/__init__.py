"""Healthy anatomy reconstructed from a scan: cases, numbers, oracles, and what is shown of them."""

from .cases import Case, Mismatch, chosen, find_cases
from .oracle import ORACLES, Oracle
from .task import HealthyAnatomy, worth_measuring

__all__ = [
    "ORACLES",
    "Case",
    "HealthyAnatomy",
    "Mismatch",
    "Oracle",
    "chosen",
    "find_cases",
    "worth_measuring",
]
