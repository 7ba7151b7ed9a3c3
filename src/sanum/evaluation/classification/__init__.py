"""Classifiers measured by stratified cross-validation; a fold is an item of a batch, as of detectors."""
