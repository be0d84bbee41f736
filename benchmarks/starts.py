"""Where a run trained: the machine at each start, and what changed from one start to the next."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from benchmarks.assembly import Assembly
from benchmarks.environment import Code, packages
from benchmarks.errors import UserError
from benchmarks.evaluation import normalised_batch, surroundings
from benchmarks.files import write_atomically
from benchmarks.paths import relative
from benchmarks.runs import BEGINNING, told_apart
from datamodules.interface import BenchmarkData

State = Mapping[str, Any]
OF_CODE = ("commit", "dirty")  # which are known of all starts together
SHOWN_WITHIN = 90.0  # seconds that a network file system may take to show what is new


class NotedStart(Callback):
    """Writes down where a stage of a run trains, as soon as it is settled, compilation too: before its first step.

    Args:
        folder: of the run.
        assembly: of the stage.
    """

    def __init__(self, folder: Path, assembly: Assembly) -> None:
        self.folder, self.assembly = folder, assembly

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Adds it to the states of earlier starts and stages, unless the last one was alike."""
        if not trainer.is_global_zero:
            return
        around = surroundings(self.assembly, trainer, Code(None, True), normalised_batch(self.assembly, trainer))
        state = {key: value for key, value in asdict(around).items() if key not in OF_CODE}
        state = json.loads(json.dumps(state))  # as it is read again
        path, before = self.folder / BEGINNING, states(self.folder)
        if before[-1:] != [state]:
            known = json.loads(path.read_text(encoding="utf-8"))
            write_atomically(path, json.dumps(known | {"states": [*before, state]}).encode())

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Does the same for a start that only tests: all was trained before it, so `on_train_start` was not called."""
        self.on_train_start(trainer, pl_module)


class SameStart(Callback):
    """Refuses ranks of different runs or code, that begin at different places, or do not all see the run's folder.

    Those of two jobs meet where both were given one address, and nodes may share no files: each rank looks for the
    checkpoint itself. The gradients of different batches would be averaged, and weights drift apart, without a word.

    Args:
        folder: of the run.
        run: which one this rank is of.
        begins: where in it this rank begins, in any words.
        code: what this rank runs.
    """

    def __init__(self, folder: Path, run: str, begins: str, code: Code) -> None:
        self.folder, self.run, self.begins, self.code = folder, run, begins, code

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Asks them all, before they would wait for each other at different places.

        Raises:
            UserError: on every rank, where one is not like the others.
        """
        if trainer.world_size == 1 or stage != "fit":
            return
        found = _of_all(trainer, (self.run, self.begins, self.code))
        runs, begins, codes = ([*dict.fromkeys(each)] for each in zip(*found, strict=True))
        if len(runs) > 1:
            raise UserError(
                f"processes of different runs have met: {' and '.join(runs)}. Give each job an address and port of its "
                "own (torchrun: and a --rdzv-id), and all its processes the same command and checkout."
            )
        if len(begins) > 1:
            raise self._apart(f"do not all see the checkpoint to go on from (they begin at {' and '.join(begins)})")
        if len({code.commit is None for code in codes}) > 1:
            raise self._apart("do not all know their commit, as where one node has no git (`make doctor` says more)")
        if any(one.then(other) != one for one in codes for other in codes):
            raise self._apart(
                "have loaded different code, as of a checkout that was changed while they started (if so, run the same "
                "command again)"
            )
        unseen = torch.tensor(int(not self._is_there()), device=trainer.strategy.root_device)
        torch.distributed.all_reduce(unseen, torch.distributed.ReduceOp.MAX)
        if unseen.item():
            raise self._apart("do not all see this folder")

    def _apart(self, wrong: str) -> UserError:
        return UserError(
            f"{relative(self.folder)}: the processes of this run {wrong}. Give all nodes this checkout on a file "
            "system that they share."
        )

    def _is_there(self) -> bool:
        until = time.monotonic() + SHOWN_WITHIN
        while not (self.folder / BEGINNING).exists():
            if time.monotonic() > until:
                return False
            time.sleep(1)
        return True


class SameData(Callback):
    """Refuses ranks that do not all see the same data: their shares would not make up one training or test set.

    Args:
        datamodule: of this rank.
    """

    def __init__(self, datamodule: BenchmarkData) -> None:
        self.datamodule = datamodule

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Asks them all, each of which has just opened its own.

        Raises:
            UserError: on every rank, where what one sees is unlike what the first does.
        """
        if trainer.world_size == 1:
            return
        found = _of_all(trainer, self.datamodule.fingerprint)
        if unlike := [rank for rank, data in enumerate(found) if data != found[0]]:
            first, other = found[0], found[unlike[0]]
            keys = [key for key in first | other if first.get(key) != other.get(key)]
            told = told_apart(keys, (first, "for rank 0"), (other, f"for rank {unlike[0]}"))
            raise UserError(
                f"the processes do not all see the same DATA: rank {', '.join(map(str, unlike))} and rank 0 differ "
                f"({told}). Give all nodes the same data and packages."
            )


def _of_all(trainer: Trainer, own: Any) -> list[Any]:
    """What each rank has to say, this one its own."""
    found: list[Any] = [None] * trainer.world_size
    torch.distributed.all_gather_object(found, own)
    return found


def states(folder: Path) -> list[dict[str, Any]]:
    """What is known of the starts and stages of a run so far; nothing where an earlier version wrote it down.

    Raises:
        UserError: somebody has removed the run's folder, parts of which checkpoints may have made again.
    """
    path = folder / BEGINNING
    if not path.exists():
        raise UserError(
            f"{relative(path)} is gone: the folder of a run was removed or moved while it ran. Remove what is there "
            "of it, and run the same command again, it begins anew."
        )
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")).get("states", [])
    return found


def between_starts(found: Sequence[State]) -> tuple[str, ...]:
    """What differs from a state to the next, a line each: `precision: bf16-mixed, then 32-true`.

    What states say nothing of, as those of an earlier version, is no difference to the first that does.
    """
    return _changes([{**state, "packages": None} | state["packages"] for state in found])


def torch_remarks(folder: Path) -> tuple[str, ...]:
    """Why a run is unofficial that goes on with another torch: its kernels may sum in another order, or otherwise."""
    versions = [*(state["packages"] for state in states(folder)), packages()]
    return tuple(f"packages: {line} between starts" for line in _changes(versions) if line.startswith("torch"))


def _changes(found: Sequence[State]) -> tuple[str, ...]:
    lines = []
    for key in dict.fromkeys(chain.from_iterable(found)):
        first = next(place for place, state in enumerate(found) if key in state)
        values = [_shown(state.get(key)) for state in found[first:]]
        turns = values[:1] + [after for before, after in pairwise(values) if after != before]
        if len(turns) > 1:
            lines.append(f"{key}: {_told(turns)}")
    return tuple(lines)


def _told(turns: Sequence[str]) -> str:
    """Values in turn; of those that come again and again, as two machines may a hundred times, each once."""
    known = [*dict.fromkeys(turns)]
    if len(turns) > 2 * len(known):
        return f"{' and '.join(known)}, changed {len(turns) - 1} times"
    return ", then ".join(turns)


def _shown(value: Any) -> str:
    return (", ".join(value) or "none") if isinstance(value, list) else str(value)
