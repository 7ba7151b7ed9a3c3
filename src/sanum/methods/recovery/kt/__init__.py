"""kt: moving images of undersampled k-space, by k-t SENSE (Tsao et al., MRM 2003) and its rivals.

The question is that of Prokopenko, Hammernik, Roberts, Lloyd, Rueckert and Hajnal, PIPPI 2023: what becomes
of the heart of a fetus.
"""
