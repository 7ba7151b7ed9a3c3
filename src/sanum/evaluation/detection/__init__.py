"""Detectors measured by cross-validation: one fold, all folds as a batch, and their table."""
