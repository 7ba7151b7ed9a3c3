"""SynthSR: any scan to a T1w, by regression from random contrasts (Iglesias et al. 2021, 2023)."""
