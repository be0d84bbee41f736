"""Progress bars on standard error, where that is a terminal."""

from collections.abc import Iterable
from typing import NoReturn, TypeVar

from tqdm import tqdm

T = TypeVar("T")


def bar(total: int, title: str, unit: str, done: int = 0) -> "tqdm[NoReturn]":
    """One that its user moves, and that goes when done where it is drawn below another (Lightning's own).

    `total` and `done` count units, such as B for bytes.
    """
    return tqdm(total=total, initial=done, desc=title, unit=unit, unit_scale=unit == "B", leave=None, disable=None)


def progress(examples: Iterable[T], count: int, title: str, unit: str) -> Iterable[T]:
    """The examples, `count` of them, with a bar that moves with each."""
    shown: Iterable[T] = tqdm(examples, title, count, unit=unit, disable=None)
    return shown
