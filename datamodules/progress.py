"""Progress bars on standard error, where that is a terminal."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn, TypeVar

from tqdm import tqdm

THREADS = 8  # files may lie on a network
FILES_A_JOB = 64

T = TypeVar("T")
Found = TypeVar("Found")


def bar(total: int, title: str, unit: str, done: int = 0) -> "tqdm[NoReturn]":
    """One that its user moves, and that goes when done where it is drawn below another (Lightning's own).

    `total` and `done` count units, such as B for bytes.
    """
    return tqdm(total=total, initial=done, desc=title, unit=unit, unit_scale=unit == "B", leave=None, disable=None)


def progress(examples: Iterable[T], count: int, title: str, unit: str) -> Iterable[T]:
    """The examples, `count` of them, with a bar that moves with each."""
    shown: Iterable[T] = tqdm(examples, title, count, unit=unit, disable=None)
    return shown


def by_threads(work: Callable[[T], Found], files: Sequence[T], title: str) -> Iterator[Found]:
    """What `work` finds in each file, in their order; jobs wait in memory, so each is of many files."""
    jobs = [files[start : start + FILES_A_JOB] for start in range(0, len(files), FILES_A_JOB)]
    with ThreadPoolExecutor(THREADS) as pool, bar(len(files), title, "file") as shown:
        for found in pool.map(lambda job: list(map(work, job)), jobs):
            yield from found
            shown.update(len(found))
