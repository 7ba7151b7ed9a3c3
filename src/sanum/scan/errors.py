"""The one error that users of scans see, and kinds of it."""


class ScanError(ValueError):
    """A scan that cannot be used: one sentence with what was expected, what came, what to do."""


class SeveralVolumesError(ScanError):
    """More than one volume, and no choice; callers without such a choice say so in their own words."""


class MissingPlanes(ScanError):
    """A DICOM series that lacks planes between those that are there."""


class NoHead(ScanError):
    """A scan that shows no head, or too little of a brain."""
