"""What a user's predictions belong to: the variant, its protocol, and which of its test sets."""

from pathlib import Path

from benchmarks.arguments import Request
from benchmarks.claim import DEFAULT
from benchmarks.errors import UserError
from benchmarks.measure import HeldOut, held_out
from benchmarks.modules import scoring, truth
from benchmarks.paths import relative
from benchmarks.schema import Signature


def variant_of(asked: Request, path: Path, root: str | None) -> str | None:
    """The variant that is predicted where the user names none: of several the first, where nothing hangs on which.

    Raises:
        UserError: predictions do not say which is meant, and those that could be differ in the protocol, or readings of
            several are about one metric, of which one system would then settle all.
    """
    meant = _meant(asked, path, root)
    read = {(reading.variant, reading.metric) for reading in asked.claim.testable if reading.variant in meant}
    once = len(read) == len({metric for _, metric in read})
    if once and all(asked.claim.signature(variant) == asked.claim.signature(meant[0]) for variant in meant):
        return meant[0]
    names = " or ".join(f"VARIANT={variant or DEFAULT}" for variant in meant)
    raise UserError(
        f"{asked.benchmark} has several variants, and predictions do not say which made them. Say which is meant: "
        f"{names}."
    )


def _meant(asked: Request, path: Path, root: str | None) -> tuple[str | None, ...]:
    """The variants that predictions can be of: where test sets differ and a file tells its own, those tested on it."""
    variants = asked.claim.variants
    tests = {variant: asked.claim.splits(variant) for variant in variants}
    tell = getattr(scoring(asked.claim), "split_of", None)
    if tell is None or len(set(tests.values())) == 1:
        return variants
    found = tell(path, {split: truth(asked.claim, root, split) for splits in tests.values() for _, split in splits})
    return tuple(variant for variant, splits in tests.items() if found in dict(splits).values())


def signature_of(asked: Request, variant: str | None) -> Signature:
    """The protocol that predictions count as made by; the claim's, but for the program that scores them here.

    Nobody can check how predictions came about; a miniature has no protocol that their maker could have followed.
    """
    if asked.profile != "full":
        return {}
    of_scorer: Signature = getattr(scoring(asked.claim), "signatures", dict)()
    return asked.claim.signature(variant) | of_scorer


def tests_of(asked: Request, variant: str | None, path: Path, root: str | None) -> list[tuple[HeldOut, Path]]:
    """Each test set that is predicted, and where: a folder each as our runs have them, or one that its ids tell.

    Raises:
        UserError: no test set is there, nothing is predicted at this path, or its ids tell of none.
    """
    tests = held_out(asked.claim, variant, root)
    if not tests[0].folder:
        return [(tests[0], path)]
    found = [(tested, path / tested.folder) for tested in tests if (path / tested.folder).is_dir()]
    if found:
        return found
    task = scoring(asked.claim)
    (file,) = task.files(path)
    if path.is_dir() and not file.is_file():
        folders = " or ".join(tested.folder for tested in tests)
        raise UserError(f"{relative(path)} holds no {file.name}, nor a folder called {folders} to look for it.")
    split = task.split_of(path, {tested.split: tested.truth for tested in tests})
    return [(tested, path) for tested in tests if tested.split == split]
