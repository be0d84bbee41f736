"""Small pictures inside a page."""

import base64
import io
from collections.abc import Iterable

from PIL import Image


def data_address(image: Image.Image, side: int, quality: int = 75) -> str:
    """A data address of the image as JPEG, at most `side` pixels a side; the image itself is scaled."""
    image.thumbnail((side, side))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def small_address(image: Image.Image, side: int, largest: int, qualities: Iterable[int]) -> str:
    """The same in the first of these qualities that takes no more than so many bytes, or else in the last."""
    for quality in qualities:
        picture = data_address(image, side, quality)
        if len(picture) <= largest:
            break
    return picture
