"""A checkpoint that a user named: its content, the run that wrote it, and the request that follows from both."""

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.arguments import Request, locate_data, request
from benchmarks.claim import DEFAULT
from benchmarks.config import PROCESSES, Settings, machine_settings, merge, overridden, resolve_settings
from benchmarks.errors import UserError
from benchmarks.paths import relative, run_folder
from benchmarks.schema import Identity
from benchmarks.strict import load_identity

OWN_PACKAGES = ("datamodules.", "lightning_modules.")
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
    return Loaded(path, checkpoint, run, asked, overridden(_moved(run.settings, committed), asked.overrides))


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
    placed = {key: value for key, value in committed.get("trainer", {}).items() if key in PLACE}
    trainer = {key: value for key, value in settings.get("trainer", {}).items() if key not in PLACE} | placed
    stages = {
        name: overlay and _moved(overlay, committed.get("stages", {}).get(name) or {})
        for name, overlay in settings.get("stages", {}).items()
    }
    moved = {"trainer": trainer} if "trainer" in settings or placed else {}
    return settings | moved | ({"stages": stages} if stages else {})


def _asked_of(run: Identity, options: Namespace, name: str) -> Request:
    """The request, with the profile and the variant of the checkpoint's own run.

    Raises:
        UserError: the checkpoint is of another benchmark, profile or variant, or names classes of other packages.
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
    asked = request(
        options.benchmark, Namespace(**vars(options) | {"variant": run.variant or DEFAULT}),
        (run.profile, "as the checkpoint's own run"),
    )  # fmt: skip
    ours = class_paths(resolve_settings(run.benchmark, run.profile, run.variant, {}))
    foreign = [path for path in class_paths(run.settings) - ours if not path.startswith(OWN_PACKAGES)]
    if foreign:
        raise UserError(f"{name} asks for {min(foreign)}, which is no part of this suite. It was not loaded.")
    return asked


def class_paths(settings: Any) -> set[str]:
    """Every class that settings name, wherever."""
    if isinstance(settings, Mapping):
        named = {str(settings["class_path"])} if "class_path" in settings else set()
        return named.union(*map(class_paths, settings.values()))
    return set().union(*map(class_paths, settings)) if isinstance(settings, list) else set()
