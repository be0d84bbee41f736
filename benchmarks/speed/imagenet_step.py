"""Images a second that a GPU trains ImageNet's network with, and how many processes feed it.

    .venv/bin/python -m benchmarks.speed.imagenet_step [--data /data/imagenet]

The recipe itself, by its Trainer, on one GPU. First on batches that lie on the GPU from the start, in several sizes and
both resolutions: what the step takes, and the memory. Then with images that are read, decoded and cropped, which the
system has in its cache, by half as many processes as there are cores and by as many. Without DATA, photographs are made
up. With TORCH_COMPILE_DISABLE=1 nothing is compiled.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities import move_data_to_device
from torch.utils.data import DataLoader
from tqdm import tqdm

from benchmarks.arguments import located
from benchmarks.assembly import Assembly
from benchmarks.callbacks import StepSeeds
from benchmarks.cli import guarded
from benchmarks.config import machine_settings, merge, resolve_settings
from benchmarks.errors import UserError
from benchmarks.evaluation import quiet
from benchmarks.speed.imagenet import PHOTOGRAPHS, passes, process_counts, write
from benchmarks.speed.photographs import sample
from benchmarks.synthetic import made_up
from benchmarks.throughput import ThroughputMeter, peak_memory
from datamodules.example_data import Loader
from datamodules.synthetic.imagenet import SyntheticData
from results.render import table

COLUMNS = ("resolution", "batch", "processes", "images/s", "of the step alone", "GPU waiting", "GPU memory")
BATCHES, BATCH = (256, 512, 1024), 512  # a device; the recipe has 512 on eight
SIDES = (160, 192)
WARM_UP, COUNTED = 6, 40  # batches of the step alone


class Resident(SyntheticData):
    """One made-up batch, which stays where it is needed."""

    def train_dataloader(self) -> Loader:
        """It, again and again."""
        assert self.trainer is not None
        keys = [(0, index) for index in range(self.global_batch_size)]
        batch: Any = self.training_images().__getitems__(keys)  # type: ignore[attr-defined]
        there = move_data_to_device(batch, self.trainer.strategy.root_device)
        return DataLoader([there] * (WARM_UP + COUNTED), batch_size=None)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Measured:
    """One way to train, by so many processes that read, 0 where nothing is read; memory in bytes."""

    side: int
    batch: int
    processes: int
    speed: float
    waiting: float
    memory: int


def assembly(root: Path, side: int, batch: int, processes: int) -> Assembly:
    """The recipe at one resolution, with a step of one batch."""
    sizes = {"global_batch_size": batch, "smallest": side, "largest": side, "workers": processes}
    settings = merge(resolve_settings("imagenet", "full", None, {}), machine_settings(0, str(root)))
    found = Assembly(merge(settings, {"data": {"init_args": sizes}}))
    return found if processes else made_up(found, f"{Resident.__module__}.{Resident.__name__}")


def measured(root: Path, side: int, batch: int, processes: int) -> Measured:
    """Trains as many batches as it takes until those that were made beforehand are used up, and then some."""
    torch._dynamo.reset()  # it compiles a function for so many sizes, and no more
    torch.cuda.reset_peak_memory_stats()
    before, counted = passes(processes)[:2] if processes else (WARM_UP, COUNTED)
    found, meter = assembly(root, side, batch, processes), ThroughputMeter(before)
    found.require_devices()
    trainer = found.trainer([StepSeeds(0), meter], max_steps=before + counted, limit_val_batches=0, **quiet())
    trainer.fit(found.module, datamodule=found.datamodule)
    speed = meter.measured("images")
    assert speed is not None
    return Measured(side, batch, processes, speed.value, speed.data_wait, peak_memory(True))


def all_measured(root: Path, batches: Sequence[int], processes: Sequence[int]) -> list[Measured]:
    """The step alone, then with images that are read."""
    alone = [(SIDES[-1], batch, 0) for batch in batches] + [(side, BATCH, 0) for side in SIDES[:-1]]
    ways = [*alone, *((side, BATCH, count) for side in SIDES for count in processes)]
    return [measured(root, *way) for way in tqdm(ways, "ways", disable=not sys.stderr.isatty())]


def lines(ways: Sequence[Measured]) -> Iterator[tuple[str, ...]]:
    """Of the table."""
    alone = {(way.side, way.batch): way.speed for way in ways if not way.processes}
    for way in ways:
        share = f"{way.speed / alone[way.side, way.batch]:.2f}" if way.processes else ""
        yield (
            str(way.side), str(way.batch), str(way.processes or ""), f"{way.speed:.0f}", share,
            f"{way.waiting:.1%}", f"{way.memory / 2**30:.1f} GiB",
        )  # fmt: skip


def bench(data: str | None, processes: Sequence[int]) -> int:
    """Prints the table."""
    if not torch.cuda.is_available():
        raise UserError("torch finds no GPU here, and this measures one. `make doctor` says what there is.")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "imagenet"
        write(root, [*sample(data, PHOTOGRAPHS).values()], BATCH * sum(passes(max(processes))))
        found = all_measured(root, BATCHES, processes)
    print(f"{torch.cuda.get_device_name()}, {process_counts()[-1]} cores\n{table([COLUMNS, *lines(found)])}", end="")
    return 0


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="ImageNet, in any layout that training accepts")
    options = parser.parse_args()
    cores = process_counts()[-1]
    return guarded(lambda: bench(located(options).data, sorted({max(1, cores // 2), cores})))


if __name__ == "__main__":
    sys.exit(main())
