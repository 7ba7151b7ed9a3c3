"""Series to send: heads, and what is none."""

from pydicom.uid import generate_uid

from ..series import head


def series(uid, *, is_head=True, without=(), kind="axial", **tags):
    """Datasets of a series; what is no head has no lesion."""
    made = head(kind, SeriesInstanceUID=uid, **tags)
    for one in made:
        one.SOPInstanceUID = one.file_meta.MediaStorageSOPInstanceUID = generate_uid(None)
        if not is_head:
            one.PixelData = (one.pixel_array.clip(max=300)).tobytes()
    return [one for k, one in enumerate(made) if k not in without]
