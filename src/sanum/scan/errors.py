"""The one error that users of scans see."""


class ScanError(ValueError):
    """A scan that cannot be used: one sentence with what was expected, what came, what to do."""
