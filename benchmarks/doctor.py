"""`doctor`: what this machine can run and why not, a line a finding, each with its remedy."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import resource
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from packaging.markers import Marker

from benchmarks import environment, tracking
from benchmarks.claim import Claim
from benchmarks.errors import UserError
from benchmarks.modules import layouts, needs_data
from benchmarks.paths import ROOT
from benchmarks.strict import load_claim

LOCKED = re.compile(r"^(?P<name>[\w.\-]+)==(?P<version>[^\s;\\]+)( ; (?P<marker>[^\\\n]+))?", re.MULTILINE)
GIGABYTE = 10**9
FREE = 10 * GIGABYTE  # of disk: a full run's checkpoints and predictions
# Of shared memory for the loaders of all GPUs: ImageNet's 12 workers a GPU hold two batches each, so 24 times the 4,096
# images of a step, of 192 x 192 pixels at the end, 10.9 GB on any number of GPUs; and some are just being taken out.
# Evaluation holds 0.9 GB a GPU.
SHARED = 20 * GIGABYTE
FILES = 4096  # open at once by the loaders of eight GPUs
BF16 = (8, 0)  # the compute capability from which on a GPU computes in it

Level = Literal["ok", "note", "WRONG"]


@dataclass(frozen=True)
class Finding:
    """What was looked at and found; WRONG where something that was asked for cannot work."""

    level: Level
    what: str
    words: str

    def __str__(self) -> str:
        return f"{self.level:6}{self.what:17}{self.words}"


def claimed(names: Iterable[str]) -> tuple[dict[str, Claim], list[Finding]]:
    """The claims of all benchmarks, and what is wrong with one that is half written: the others run nevertheless."""
    claims, unread = {}, []
    for name in names:
        try:
            claims[name] = load_claim(name)
        except UserError as error:
            unread.append(Finding("WRONG", name, str(error)))
    return claims, unread


def examine(claims: dict[str, Claim], roots: dict[str, str], devices: int | None) -> list[Finding]:
    """Everything, the quick looks first.

    Args:
        claims: of the benchmarks that are asked for, by name.
        roots: where the data of some of them are said to lie.
        devices: how many GPUs are asked for on this machine.
    """
    found = [
        Finding("ok", "Python", platform.python_version()),
        _packages(),
        _code(),
        _disk(),
        _shared_memory(),
        _open_files(),
        _tracking(),
    ]
    found += [each for name, root in roots.items() for each in _data(name, claims[name], root)]
    found += [_gnugo(name, asked_for=len(claims) == 1) for name, claim in claims.items() if claim.task == "go"]
    found += _processors(devices)
    found += [_compiler(name) for name, claim in claims.items() if claim.task == "control"]
    found += [_crops(name) for name, claim in claims.items() if claim.dataset == "imagenet"]
    return [*found, _processes_meet(devices)]


def _packages() -> Finding:
    """Compares the installed packages with those of the lock."""
    locked = {
        each["name"]: each["version"]
        for each in LOCKED.finditer((ROOT / "requirements.lock").read_text(encoding="utf-8"))
        if each["marker"] is None or Marker(each["marker"]).evaluate()
    }
    other = [
        f"{name} {_installed(name)} instead of {want}" for name, want in locked.items() if _installed(name) != want
    ]
    if other:
        return Finding("WRONG", "packages", f"{_few(other)}; remove .venv and run `make install`")
    return Finding("ok", "packages", f"all {len(locked)} as in requirements.lock")


def _few(found: list[str]) -> str:
    return ", ".join(found[:4]) + (f" and {len(found) - 4} more" if len(found) > 4 else "")


def _installed(name: str) -> str:
    try:
        return importlib.metadata.version(name).partition("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def _code() -> Finding:
    """Whether what runs is the code of a commit alone, without which no record is official."""
    try:
        commit = environment.commit()
    except UserError as error:
        words = f"its commit is not known, so no record is official: {error}"
        return Finding("note", "code", f"{words}. It takes git, in a container too, and a clone that is yours")
    try:
        changes = environment.changes(commit)
    except UserError as error:
        return Finding("WRONG", "code", str(error))
    if changes:
        words = f"not as in the commit {commit[:12]}, so no record is official; commit it or put it back"
        return Finding("note", "code", f"{_few(changes)}: {words}")
    return Finding("ok", "code", f"that of the commit {commit[:12]}")


def _disk() -> Finding:
    free = shutil.disk_usage(ROOT).free
    words = f"{free / GIGABYTE:.0f} GB free"
    if free >= FREE:
        return Finding("ok", "disk", words)
    return Finding("note", "disk", f"{words}; a full run writes several, so free some or move the checkout")


def _shared_memory() -> Finding:
    path = Path("/dev/shm")  # noqa: S108 (it is looked at only)
    if not path.is_dir():
        return Finding("note", "shared memory", "there is no /dev/shm; set data.init_args.workers to 0")
    total = shutil.disk_usage(path).total
    words = f"{total / GIGABYTE:.1f} GB"
    if total >= SHARED:
        return Finding("ok", "shared memory", words)
    return Finding(
        "note",
        "shared memory",
        f"{words}; on one to eight GPUs ImageNet's loaders fill 20 GB, others 2 GB (in a container: --shm-size=20g)",
    )


def _open_files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= FILES or soft == resource.RLIM_INFINITY:
        return Finding("ok", "open files", f"{soft} at once")
    return Finding("note", "open files", f"{soft} at once; for many workers `ulimit -n {FILES}` (at most {hard})")


def _tracking() -> Finding:
    mode = tracking.mode()
    remedy = {"offline": "; `wandb login` sends runs, `wandb sync` those that were written before"}.get(mode, "")
    return Finding("ok", "W&B", mode + remedy)


def _data(name: str, claim: Claim, root: str) -> Iterator[Finding]:
    """What a look at the folders of a data set says, and at one example."""
    if not needs_data(claim):
        yield Finding("ok", name, "needs no data")
        return
    yield from _copy(name, root)
    try:
        notes = [Finding("note", name, note) for note in layouts(claim).check(root, True, True)]
        yield from notes or [Finding("ok", name, f"{root} is recognised, and whole")]
        yield Finding("ok", name, layouts(claim).sample(root))
    except UserError as error:
        yield Finding("WRONG", name, str(error))


def _copy(name: str, root: str) -> Iterator[Finding]:
    """Room for what `datasets` makes of Parquet, before the look at an example makes it."""
    hub = root.startswith("hf:")
    shards = [] if hub else [*Path(root).glob("*.parquet"), *Path(root).glob("*/*.parquet")]
    if not hub and not shards:
        return
    from datasets.config import HF_DATASETS_CACHE

    size = sum(shard.stat().st_size for shard in shards if shard.is_file())  # else whoever reads it says what is wrong
    cache = Path(HF_DATASETS_CACHE)
    free = shutil.disk_usage(next(each for each in (cache, *cache.parents) if each.exists())).free
    large = "as large as the data" if hub else f"{size / GIGABYTE:.0f} GB or more"
    words = f"`datasets` keeps a copy, {large}, in {cache}, where {free / GIGABYTE:.0f} GB are free"
    if not hub and free >= size:
        yield Finding("ok", name, words)
    else:
        remedy = "unless it is there already, it may not fit: set HF_HOME to a folder on a larger disk"
        yield Finding("note", name, f"{words}; {remedy}")


def _gnugo(name: str, asked_for: bool) -> Finding:
    """Whether GNU Go, the opponent in games of Go, is here in the version that the claim is about."""
    from datamodules.environments.gnugo import VERSION, find, version

    try:
        path = find()
        found = version(path)
    except UserError as error:
        return Finding("WRONG" if asked_for else "note", name, str(error))
    words = f"GNU Go {found} at {path}"
    if found == VERSION:
        return Finding("ok", name, words)
    return Finding("note", name, f"{words}; the claim is about {VERSION}, so its games will be `not comparable`")


def _processors(devices: int | None) -> Iterator[Finding]:
    import torch

    from benchmarks.assembly import has_kernels
    from lightning_modules.compiling import kernel_compiler

    yield Finding("ok", "processor", f"{environment.cpu()}, {_memory() / GIGABYTE:.0f} GB")
    count = torch.cuda.device_count()
    for index in range(count):
        memory = torch.cuda.get_device_properties(index).total_memory / GIGABYTE
        found = f"{torch.cuda.get_device_name(index)}, {memory:.0f} GB"
        if not has_kernels(index):
            yield Finding("WRONG", f"GPU {index}", f"{found}: torch is not built for it; see CUDA_VISIBLE_DEVICES")
        elif torch.cuda.get_device_capability(index) < BF16:
            words = f'{found}, no bf16, in which the recipes train: ARGS="--trainer.precision 32-true" takes longer'
            yield Finding("note", f"GPU {index}", words)
        else:
            yield Finding("ok", f"GPU {index}", f"{found}, bf16")
    if count and kernel_compiler() is None:
        words = "no C compiler, or no headers of Python: ImageNet trains uncompiled, in some 1.4 times the time; `apt "
        yield Finding("note", "GPU", f"{words}install gcc python3-dev` on Debian and Ubuntu")
    if devices is not None and devices > count:
        yield Finding(
            "WRONG", "GPU", f"{devices} are asked for, {count} are there; lower DEVICES or look at the driver"
        )
    elif not count:
        yield Finding(
            "note",
            "GPU",
            "none: miniatures, robots, cars and Go on 7x7 run here; images, speech, text and 9x9 in full do not",
        )


def _compiler(name: str) -> Finding:
    """Whether a C++ compiler is here for the updates of agents that move robots; tried on the sizes of Walker2d."""
    from lightning_modules.flat import compiler
    from lightning_modules.ppo_epoch import native_epoch

    found = compiler()
    if found is None:
        return Finding(
            "note",
            name,
            "there is no C++ compiler, so training takes several times as long and ends with other last digits; `apt "
            "install g++` on Debian and Ubuntu, `xcode-select --install` on macOS, or name one in CXX",
        )
    sizes = {"OBSERVATIONS": 17, "ACTIONS": 6, "WIDTH": 64, "BATCH": 32}
    try:
        native_epoch(found, **sizes, CLIP=0.2, VALUE_WEIGHT=0.5, LARGEST_GRADIENT=0.5)
    except UserError as error:
        return Finding("WRONG", name, str(error))
    return Finding("ok", name, f"PPO's and DecQN's updates are compiled by {found}")


def _crops(name: str) -> Finding:
    """What makes the crops that ImageNet is trained on: their pixels are the same, their speed is not."""
    from datamodules.crops import build, compiled, decoder

    try:
        if compiled() is None:
            build()  # again, for the reason
    except UserError as error:
        return Finding("note", name, f"crops are made by {decoder()} and torch, at 0.6 of the speed: {error}")
    return Finding("ok", name, f"crops are made by {decoder()}")


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _processes_meet(devices: int | None) -> Finding:
    """Whether a process a GPU that is asked for, or two, add a number up, as training does at every step."""
    import torch
    from torch.multiprocessing.spawn import ProcessException

    from benchmarks.doctor_ranks import add_up

    there = torch.cuda.device_count()
    gpus = min(devices or there, there)
    backend, count = ("nccl", gpus) if gpus > 1 else ("gloo", 2)
    try:
        add_up(backend, count)
    except (ProcessException, RuntimeError, OSError) as error:
        reason = str(error).strip().splitlines()[-1]
        return Finding("WRONG", f"{count} processes", f"{backend}: {reason}; look at the firewall and NCCL_DEBUG=INFO")
    return Finding("ok", f"{count} processes", f"talk by {backend}")
