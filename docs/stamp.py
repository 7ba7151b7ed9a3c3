"""Pictures of results carry the SHA-256 of the weights that made them; tests/test_docs.py reads it."""

from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

KEY = "weights-sha256"


def save(image: Image.Image, path: Path, weights_sha256: str) -> None:
    """Write a PNG or a JPEG with the weights in its metadata."""
    if path.suffix == ".png":
        text = PngInfo()
        text.add_text(KEY, weights_sha256)
        image.save(path, pnginfo=text, optimize=True)
    else:
        image.save(path, comment=f"{KEY} {weights_sha256}", quality=82, optimize=True)
