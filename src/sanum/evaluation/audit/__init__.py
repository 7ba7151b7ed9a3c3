"""Audit of any anomaly scores: how far they react to scanner, sex or age instead of disease."""

from .audit import Audit, audit
from .result import AuditSettings
from .table import ScoreTable, read_scores
from .write import write_audit

__all__ = ["Audit", "AuditSettings", "ScoreTable", "audit", "read_scores", "write_audit"]
