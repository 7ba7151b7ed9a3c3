"""SynDiff: diffusion of a few large steps, learned against discriminators and without pairs."""
