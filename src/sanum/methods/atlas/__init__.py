"""Populations: what is usual, where, and how far people differ."""
