"""Laying scans onto each other: how far apart they are, whatever their contrasts."""
