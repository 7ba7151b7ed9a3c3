"""Facts about contrasts that reading, simulating, predicting and displaying share."""

from typing import Literal, get_args

Contrast = Literal["T1w", "T1wCE", "T2w", "FLAIR", "PD", "DWI", "ADC", "CT", "unknown"]
CONTRASTS: tuple[Contrast, ...] = get_args(Contrast)
"""What a network can be told that a scan is; their order is that of its weights, so new ones come last."""

CT_WINDOW_HU = (0.0, 80.0)
"""The usual brain window of CT: level 40, width 80 Hounsfield units. Fluid is near 10, grey matter 37."""
