"""Facts about contrasts that reading, simulating and displaying share."""

CT_WINDOW_HU = (0.0, 80.0)
"""The usual brain window of CT: level 40, width 80 Hounsfield units. Fluid is near 10, grey matter 37."""
