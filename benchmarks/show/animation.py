"""What `watch` shows: pictures of an episode, and its captions."""

from dataclasses import dataclass

from PIL import Image


@dataclass(frozen=True)
class Animation:
    """Pictures, so many a second, for a file called `name`.

    `told` is a line on the episode, `how` says in a few words which part of it is shown, and in which way.
    """

    name: str
    pictures: list[Image.Image]
    a_second: int
    told: str
    how: str
