"""The modules that a claim names by its `dataset` and its `task`: found by file name, so there is no registry."""

import importlib
from functools import cache
from typing import Any

from benchmarks.claim import Claim
from benchmarks.errors import UserError
from benchmarks.paths import ROOT

ASKED_OF_SCORING = ("METRICS", "SHARED", "Truth", "write", "files", "read", "score", "standard_errors")
ASKED_OF_LAYOUTS = ("OFFICIAL", "truth", "check", "sample")  # miniatures never ask for the last two


def missing(claim: Claim) -> tuple[str, ...]:
    """What is not there of the files without which no run of the claim ends; only some are read before it."""
    named = [("results.scoring", claim.task)]
    named += [(f"datamodules.{package}", claim.dataset) for package in ("baselines", "sheets")]
    if _there("results.scoring", claim.task) and not hasattr(scoring(claim), "truth"):
        named.append(("datamodules.layouts", claim.dataset))  # the task makes no examples, so they are read
    found = tuple(_file(*each) for each in named if not _there(*each))
    asked = {
        ("results.scoring", claim.task): ASKED_OF_SCORING,
        ("datamodules.layouts", claim.dataset): ASKED_OF_LAYOUTS,
    }
    lacks = [
        f"{name} in {_file(*where)}"
        for where, names in asked.items()
        for name in names
        if _there(*where) and not hasattr(_named_module(*where), name)
    ]
    return (*found, *lacks)


def scoring(claim: Claim) -> Any:
    """The module that reads, writes and scores the predictions of the claim's task."""
    return _named_module("results.scoring", claim.task)


def needs_data(claim: Claim) -> bool:
    """Whether the claim's data lie on disk; environments make their own."""
    return _there("datamodules.layouts", claim.dataset)


def truth(claim: Claim, root: str | None, split: str) -> Any:
    """What predictions on a split are held against: what DATA says, or as many episodes as the claim asks for."""
    if needs_data(claim):
        return layouts(claim).truth(root, split)
    return scoring(claim).truth(split, claim.examples(split))


def layouts(claim: Claim) -> Any:
    """The module that recognises and reads the claim's data set on disk."""
    return _named_module("datamodules.layouts", claim.dataset)


def present(claim: Claim, root: str | None, split: str) -> bool:
    """Whether DATA holds one of several test sets; without its only one nothing can be done."""
    return bool(layouts(claim).present(root, split))


def baselines(claim: Claim, root: str | None, split: str) -> dict[str, Any]:
    """Name -> predictions of the trivial systems that the claim's runs are compared with.

    They predict what DATA has, or as many episodes as the claim asks for.
    """
    systems = _named_module("datamodules.baselines", claim.dataset)
    found: dict[str, Any] = (
        systems.baselines(root, split) if needs_data(claim) else systems.baselines(split, claim.examples(split))
    )
    return found


def worst_examples(claim: Claim) -> Any:
    """The module that shows the worst predictions on a page."""
    return _named_module("datamodules.sheets", claim.dataset)


def load_last_needed(claim: Claim) -> None:
    """Imports what a run needs only once it is trained, when another commit may be checked out.

    Raises:
        UserError: something cannot be imported.
    """
    for package in ("datamodules.baselines", "datamodules.sheets"):
        _named_module(package, claim.dataset)


def miniature_writer(claim: Claim) -> Any:
    """The module that writes the embedded data."""
    return _named_module("datamodules.miniature", claim.dataset, "no miniature; give DATA")


def preparation(claim: Claim) -> Any:
    """The module behind `data`: what to put where, checks and unpacking."""
    return _named_module("datamodules.preparation", claim.dataset, "nothing that prepares it; see its NOTES.md")


def packing(claim: Claim) -> Any | None:
    """The module behind `data` with PACK, which writes the images into few files; None where there is none."""
    return _optional_module("datamodules.preparation", f"{claim.dataset}_pack")


def synthetic(claim: Claim) -> str:
    """The datamodule whose input is made up, by its class path."""
    lacks = "no synthetic input; give DATA"
    return f"{_named_module('datamodules.synthetic', claim.dataset, lacks).__name__}.SyntheticData"


def foreign(claim: Claim) -> Any | None:
    """The module by which other people's programs score the claim's task; None where there is none."""
    return _optional_module("results.foreign", claim.task)


def _named_module(package: str, name: str, lacks: str = "no such module") -> Any:
    module = _optional_module(package, name)
    if module is None:
        raise UserError(f"{name} has {lacks} (there is no {_file(package, name)}).")
    return module


@cache
def _optional_module(package: str, name: str) -> Any | None:
    try:
        return importlib.import_module(f"{package}.{name}") if _there(package, name) else None
    except (ImportError, NameError, SyntaxError) as error:
        raise UserError(
            f"{_file(package, name)} cannot be imported ({type(error).__name__}: {error}). Mend it."
        ) from error


def _there(package: str, name: str) -> bool:
    return (ROOT / _file(package, name)).is_file()


def _file(package: str, name: str) -> str:
    return f"{package.replace('.', '/')}/{name}.py"
