"""Predictions of a test run: a shard per rank, merged on rank zero, refused unless each example occurs exactly once."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from lightning.pytorch import Callback, LightningModule, Trainer

from benchmarks.errors import UserError
from benchmarks.files import make_folder, writing
from benchmarks.paths import ROOT, relative
from benchmarks.schema import Examples


class PredictionShards(Callback):
    """Writes what `test_step` returns, `index` (positions in the split) and `predictions`, as JSON lines.

    Args:
        folders: where the shards go, one a rank; a folder for each test set, in the order of the test loaders.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self.folders = folders
        self.files: list[IO[str]] = []

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        # A validation's folder follows from DATA, which nodes may have in different places, as they may this checkout.
        self.folders = [ROOT / each for each in trainer.strategy.broadcast([*map(relative, self.folders)])]
        for folder in self.folders:
            make_folder(folder)
            if trainer.is_global_zero:
                for stale in folder.glob("shard-*.jsonl"):
                    stale.unlink()
        trainer.strategy.barrier("stale shards are gone")
        name = f"shard-{trainer.global_rank}.jsonl"
        self.files = [(folder / name).open("w", encoding="utf-8") for folder in self.folders]

    def on_test_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:  # fmt: skip
        """Writes what a step returned, a line for each example.

        Raises:
            UserError: it cannot be written.
        """
        try:
            rows = [json.dumps(row) for row in zip(outputs["index"], outputs["predictions"], strict=True)]
        except (TypeError, KeyError, ValueError) as error:
            raise UserError(
                f"{type(pl_module).__name__}.test_step returned what cannot be written ({error}). It returns a mapping "
                "with `index` and as many `predictions`, all of plain values: of a tensor, its tolist()."
            ) from None
        file = self.files[dataloader_idx]
        with writing(Path(file.name)):
            file.writelines(f"{row}\n" for row in rows)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        for file in self.files:
            with writing(Path(file.name)):
                file.close()
        trainer.strategy.barrier("all shards are written")


def merge_shards(folder: Path, expected: int) -> tuple[list[Any], Examples]:
    """The predictions in the order of the split, and how many there were; the shards are deleted.

    Raises:
        RuntimeError: an example was not scored, or scored more than once.
    """
    shards = sorted(folder.glob("shard-*.jsonl"))
    scored: list[tuple[int, Any]] = []
    for shard in shards:
        with shard.open(encoding="utf-8") as file:
            scored += [json.loads(line) for line in file]
    examples = Examples(expected, len(scored), len({index for index, _ in scored}))
    require_exactly_once(examples)
    for shard in shards:
        shard.unlink()
    return [prediction for _, prediction in sorted(scored, key=lambda pair: pair[0])], examples


def require_exactly_once(examples: Examples) -> None:
    """A record may only stand on a test set that was scored exactly once per example.

    Raises:
        RuntimeError: it was not.
    """
    if not examples.expected == examples.scored == examples.unique:
        raise RuntimeError(
            f"the test set was not scored exactly once per example: {examples.expected} expected, "
            f"{examples.scored} scored, {examples.unique} different ones. No record is written."
        )
