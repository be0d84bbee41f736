"""A checkpoint that a user named: its content, the run that wrote it, and the request that follows from both."""

import re
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from textwrap import shorten
from typing import Any

from benchmarks.arguments import Request, locate_data, request
from benchmarks.claim import DEFAULT
from benchmarks.config import PROCESSES, Settings, checked, machine_settings, merge, overridden, resolve_settings
from benchmarks.errors import UserError
from benchmarks.paths import relative, run_folder
from benchmarks.schema import Identity
from benchmarks.strict import load_identity

OWN_PACKAGES = ("datamodules.", "lightning_modules.", "torch.optim.")
PARSED = ("threads", "checkpoint_every_n_steps", "trainer", "model", "data")  # what the typed parser is given
WORDS = ("precision", "gradient_clip_algorithm")  # settings of a Trainer whose values are words, never classes
WORD = re.compile(r"\w[\w.+-]{,99}")  # which YAML reads as one value, and which holds no path to another folder
PLACE = (*PROCESSES, "accumulate_grad_batches")  # settings of a Trainer that are of the machine where it runs


@dataclass(frozen=True)
class Loaded:
    """A checkpoint on the CPU; `settings` are its run's, on this machine, with the user's overrides on top."""

    path: Path
    checkpoint: Mapping[str, Any]
    run: Identity
    asked: Request
    settings: Settings


def load(options: Namespace) -> Loaded:
    """Loads the checkpoint that CHECKPOINT names.

    Raises:
        UserError: there is no such file, it is none of ours, or not of what is asked.
    """
    path = Path(options.checkpoint)
    if path.is_dir():
        raise UserError(f"CHECKPOINT={relative(path)} is a folder. Name the file in it, such as weights.ckpt.")
    if not path.is_file() or not path.stat().st_size:
        raise UserError(f"CHECKPOINT={relative(path)}: there is no such file, or it is an empty one.")
    early = request(options.benchmark, options)
    if early.data is not None:
        locate_data(replace(early, profile="mini"), training=False)  # all that can be said before torch is imported
    from benchmarks.checkpointing import SUITE, load_checkpoint

    checkpoint = load_checkpoint(path)
    run = load_identity(checkpoint[SUITE], path)
    asked = _asked_of(run, options, relative(path))
    committed = resolve_settings(run.benchmark, run.profile, run.variant, {})
    settings = _moved(checked(run.settings, relative(path)), committed)
    for key, value in _foreign(settings, committed, (*PARSED, "stages", "controls")):
        raise UserError(
            f"{relative(path)} asks for {key} {shorten(repr(value), 200)}, which is no part of this suite. It was not "
            "loaded; use a checkpoint that a run of this suite wrote."
        )
    return Loaded(path, checkpoint, run, asked, overridden(settings, asked.overrides))


def revived(loaded: Loaded) -> tuple[Any, Any]:
    """The module of a checkpoint with its weights, and its datamodule: for those who watch it, or play against it."""
    import torch

    from benchmarks.assembly import Assembly

    assembly = Assembly(merge(loaded.settings, machine_settings(loaded.run.seed, None)))
    torch.set_num_threads(assembly.threads)
    learnt: Any = assembly.module
    data: Any = assembly.datamodule
    data.setup("test")
    learnt.build(*data.sizes)
    learnt.load_state_dict(loaded.checkpoint["state_dict"])
    return learnt.eval(), data


def _moved(settings: Settings, committed: Settings) -> Settings:
    """A run's settings without the machine that it ran on, for which the committed one stands in."""
    moved = dict(settings)
    placed = {key: value for key, value in committed.get("trainer", {}).items() if key in PLACE}
    if "trainer" in settings or placed:
        kept = {key: value for key, value in settings.get("trainer", {}).items() if key not in PLACE}
        moved["trainer"] = kept | placed
    if "stages" in settings:
        others = committed.get("stages", {})
        moved["stages"] = {
            name: overlay and _moved(overlay, others.get(name) or {}) for name, overlay in settings["stages"].items()
        }
    return moved


def _asked_of(run: Identity, options: Namespace, name: str) -> Request:
    """The request, with the profile and the variant of the checkpoint's own run.

    Raises:
        UserError: the checkpoint is of another benchmark, profile or variant.
    """
    if run.benchmark != options.benchmark:
        raise UserError(
            f"{name} is a checkpoint of {run.benchmark}, not of {options.benchmark}. Use make validate-{run.benchmark}."
        )
    if run.stage is not None:
        raise UserError(
            f"{name} is of the stage {run.stage}, after which the run goes on. Give the run's own checkpoint, in "
            f"{relative(run_folder(run.benchmark, run.run_id))}."
        )
    for key, of_run in (("profile", run.profile), ("variant", run.variant or DEFAULT)):
        given = getattr(options, key)
        if given not in (None, of_run):
            raise UserError(f"{name} is of a run with {key} {of_run}, which it keeps. Leave {key.upper()}={given} out.")
    return request(
        options.benchmark, Namespace(**vars(options) | {"variant": run.variant or DEFAULT}),
        (run.profile, "as the checkpoint's own run"),
    )  # fmt: skip


def _foreign(settings: Settings, recipe: Settings, known: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """Keys and values of a checkpoint's settings that could make the typed parser run code that is not this suite's.

    Where a class is due, it also takes a name to import, YAML or a path of YAML, and imports and calls what that says.
    Anyone can have written a checkpoint, so it may only say what a run's does. What is the recipe's own is trusted.
    """
    for key, value in settings.items():
        of_recipe = recipe.get(key) or {}
        if key not in known:
            yield key, value
        elif key == "stages":
            for name, overlay in value.items():
                below = _foreign(overlay or {}, of_recipe.get(name) or {}, PARSED)
                yield from ((f"{name}.{where}", what) for where, what in below)
        elif key == "trainer":
            yield from _foreign_to_a_trainer(value, of_recipe)
        elif key in ("model", "data") and not value.keys() <= {"class_path", "init_args"}:
            yield key, value
        elif key != "controls":  # they are names for another command, and no parser sees them
            yield from _foreign_below(key, value, of_recipe)


def _foreign_to_a_trainer(trainer: Settings, recipe: Settings) -> Iterator[tuple[str, Any]]:
    for key, value in trainer.items():
        harmless = isinstance(value, (int, float, type(None))) or (key in WORDS and _is_word(value))
        if not harmless and value != recipe.get(key):
            yield f"trainer.{key}", value


def _foreign_below(where: str, value: Any, recipe: Any) -> Iterator[tuple[str, Any]]:
    """Keys and values below a model or data: classes of other packages, and strings of more than a word."""
    if isinstance(value, Mapping):
        of_recipe = recipe if isinstance(recipe, Mapping) else {}
        for key, each in value.items():
            class_of_others = key == "class_path" and each != of_recipe.get(key) and not _is_ours(each)
            if class_of_others or not key.isidentifier():  # dots would lead around these rules
                yield f"{where}.{key}", each
            elif key != "class_path" and not (key == "init_from" and isinstance(each, str)):  # a path, which stays one
                yield from _foreign_below(f"{where}.{key}", each, of_recipe.get(key))
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from _foreign_below(f"{where}.{place}", each, None)
    elif isinstance(value, str) and value != recipe and not _is_word(value):
        yield where, value


def _is_ours(name: Any) -> bool:
    """Whether it names a class of this suite or an optimizer, by the module that defines it.

    `datamodules.imagenet.Path` only passes through a module of ours. Nothing but modules of these packages is imported.
    """
    if not isinstance(name, str) or not name.startswith(OWN_PACKAGES):
        return False
    module, _, last = name.rpartition(".")
    try:
        found = getattr(import_module(module), last, None)
    except (ImportError, ValueError):
        return False
    return isinstance(found, type) and f"{found.__module__}.".startswith(OWN_PACKAGES)


def _is_word(value: Any) -> bool:
    """Whether it is a string that is neither YAML of several values, nor a file, nor leads to something importable."""
    if not isinstance(value, str) or not WORD.fullmatch(value) or Path(value).exists():
        return False
    first, dot, _ = value.partition(".")
    return not dot or (first not in sys.modules and find_spec(first) is None)
