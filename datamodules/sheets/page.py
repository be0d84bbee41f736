"""What all sheets are made with: one self-contained page from a template that lies here, and texts that it may hold."""

import re
from collections.abc import Sequence

import numpy as np
from jinja2 import Environment, PackageLoader, select_autoescape

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def page(template: str, **shown: object) -> str:
    """HTML of a template, in which all texts that are shown are escaped."""
    templates = Environment(loader=PackageLoader("datamodules", "sheets"), autoescape=select_autoescape())
    return templates.get_template(template).render(shown)


def printable(text: str) -> str:
    """A text with a mark in place of each control character, which no page may hold."""
    return CONTROL.sub("\ufffd", text)


def shortened(text: str, longest: int) -> str:
    """A text of at most so many characters."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def fitting(sizes: Sequence[int], room: int) -> int:
    """How many from the first fit into so many bytes."""
    return int(np.searchsorted(np.cumsum(sizes), room, side="right"))
