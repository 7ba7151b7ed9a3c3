"""Fluid anomalies as transforms of other people's pipelines; each needs its library."""
