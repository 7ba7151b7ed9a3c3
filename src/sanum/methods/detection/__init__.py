"""Findings in pictures, as boxes."""
