"""Baseline: the mean T1w of the training subjects."""
