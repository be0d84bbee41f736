"""Images a second of ImageNet's training input, ours beside what a user would write, as ratios within a round.

    make bench-imagenet [DATA=/data/imagenet]

First one image after another on one core: read, decoded, cropped, scaled, mirrored. Then whole loaders, with one, two,
four processes and so on to as many as there are cores. The system has all files in its cache. `stored at 256` is other
data (the shorter side 256, quality 90), which are read faster. NVIDIA DALI takes part where it is installed. Without
DATA, photographs are made up: noise whose amplitude falls with frequency as that of photographs does. The table is
printed and written to results/speed/imagenet.json, where the report and `make plan` find it; it takes about a minute a
round on two cores.
"""

import argparse
import io
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from tqdm import tqdm

from benchmarks import environment
from benchmarks.arguments import located
from benchmarks.cli import guarded
from benchmarks.paths import relative
from benchmarks.speed.photographs import HEIGHT, STORED, WIDTH, sample, stored
from benchmarks.speeds import OURS, Speeds, Spread, Way, write_speeds
from datamodules import crops
from datamodules.batch_memory import BatchMemory
from datamodules.imagenet import ImageNetData
from datamodules.imagenet_examples import TrainingImages
from datamodules.layouts import jpeg
from datamodules.layouts.imagenet import open_split
from datamodules.synthetic.imagenet import CLASSES
from lightning_modules.classifier_scores import MEAN, STD
from results.render import table

SIDE, BATCH = 224, 128
PHOTOGRAPHS = 512
COLUMNS = ("processes", "way", "images/s", "times the first", "minimum to maximum")
COUNTED, A_PROCESS = 24, 8
"""Batches of a loader's pass that are timed: so many, or so many a process, whichever is more."""


def write(root: Path, files: list[bytes], count: int) -> None:
    """A tree of as many classes as ImageNet has, with the files again and again: `count` to train on, one a class else.

    Raises:
        OSError: the disk is full, or has no hard links.
    """
    places = [root / f"train/n{number % CLASSES:08d}/{number}.JPEG" for number in range(count)]
    # Under names of their own, or they would be taken for images to train on that were copied to be tested.
    places += [root / f"val/n{number:08d}/val-{number}.JPEG" for number in range(min(count, CLASSES))]
    for number, place in enumerate(places):
        place.parent.mkdir(parents=True, exist_ok=True)
        if number < len(files):
            place.write_bytes(files[number])
        else:
            place.hardlink_to(places[number % len(files)])


class Reference(Dataset[tuple[Any, int]]):
    """What a user would write (pytorch/examples:imagenet/main.py), or the same but for how it ends: `last`."""

    def __init__(self, root: Path, *last: Any) -> None:
        self.split = open_split(str(root), "train")
        first = (transforms.RandomResizedCrop(SIDE), transforms.RandomHorizontalFlip())
        self.transform = transforms.Compose([*first, *last])

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        image = Image.open(io.BytesIO(self.split.read(index))).convert("RGB")
        return self.transform(image), int(self.split.labels[index])


def references(root: Path) -> tuple[Reference, Reference]:
    """Ending as bytes, and as normalised floating-point numbers."""
    return (
        Reference(root, transforms.PILToTensor()),
        Reference(root, transforms.ToTensor(), transforms.Normalize(MEAN, STD)),
    )


def one_by_one(root: Path, small: Path) -> dict[str, Callable[[], float]]:
    """Speeds of what is done with one image after another."""
    plain, floating = references(root)
    return {
        "torchvision, float32": partial(speed_of_each, floating.__getitem__),
        "torchvision": partial(speed_of_each, plain.__getitem__),
        "ours, whole images by simplejpeg": partial(_without, [(crops, "compiled"), (jpeg, "turbojpeg")], _drawn(root)),
        "ours, without a C++ compiler": partial(_without, [(crops, "compiled")], _drawn(root)),
        OURS: partial(speed_of_each, _drawn(root)),
        f"ours, stored at {STORED}": partial(speed_of_each, _drawn(small)),
    }


def _drawn(root: Path) -> Callable[[int], None]:
    images = TrainingImages(open_split(str(root), "train"), BatchMemory(0), 0, 0.08, (SIDE, SIDE, [0, 1]))
    place = torch.empty(1, SIDE, SIDE, 3, dtype=torch.uint8).permute(0, 3, 1, 2)
    return lambda index: images.draw((0, index), place)


def _not_here() -> None:
    """Stands in for a function that looks for a library: it finds none."""


def _without(libraries: list[tuple[ModuleType, str]], draw: Callable[[int], None]) -> float:
    with ExitStack() as stack:
        for module, found_by in libraries:
            stack.enter_context(mock.patch.object(module, found_by, _not_here))
        return speed_of_each(draw)


def process_counts() -> list[int]:
    """How many processes loaders are measured with: powers of two, and one a core."""
    count = len(os.sched_getaffinity(0))
    return sorted({count, *(2**power for power in range(count.bit_length()) if 2**power < count)})


def passes(processes: int) -> tuple[int, int, int]:
    """Batches of a pass: to fill what the processes hold ready, to be timed, and not to run dry before these end."""
    return 3 * processes, max(COUNTED, A_PROCESS * processes), 2 * processes + 1


def loaders(root: Path, small: Path) -> dict[str, Callable[[int], Iterable[Any]]]:
    """Whole loaders, made for a number of processes."""
    plain, floating = references(root)
    made: dict[str, Callable[[int], Iterable[Any]]] = {
        "torchvision, float32": partial(_reference_loader, floating),
        "torchvision": partial(_reference_loader, plain),
        OURS: partial(_our_loader, root),
        f"ours, stored at {STORED}": partial(_our_loader, small),
    }
    with suppress(ImportError):
        import nvidia.dali  # noqa: F401

        made["NVIDIA DALI on the CPU, in threads"] = partial(_dali, root)
    return made


def _reference_loader(images: Reference, processes: int) -> Iterable[Any]:
    return DataLoader(images, BATCH, shuffle=True, num_workers=processes)


def _our_loader(root: Path, processes: int) -> Iterable[Any]:
    data = ImageNetData(str(root), 0, BATCH, BATCH, SIDE, SIDE, [0, 1], workers=processes)
    on_cpu = SimpleNamespace(root_device=torch.device("cpu"))  # as the others, it hands batches to no GPU
    data.trainer = SimpleNamespace(  # type: ignore[assignment]
        strategy=on_cpu, global_rank=0, world_size=1, accumulate_grad_batches=1, global_step=0
    )
    data.setup("fit")
    return data.train_dataloader()


def _dali(root: Path, threads: int) -> Iterable[Any]:
    """DALI's pipeline of the same steps, in threads of this process."""
    from nvidia.dali import fn, pipeline_def

    @pipeline_def(batch_size=BATCH, num_threads=threads, device_id=None)
    def pipeline() -> Any:
        files, labels = fn.readers.file(file_root=str(root / "train"), random_shuffle=True)
        images = fn.decoders.image_random_crop(files, random_area=[0.08, 1.0], random_aspect_ratio=[3 / 4, 4 / 3])
        images = fn.resize(images, size=[SIDE, SIDE], antialias=True)
        return fn.flip(images, horizontal=fn.random.coin_flip()), labels

    made = pipeline()
    made.build()
    return iter(made.run, None)  # without end


def speed_of_each(do: Callable[[int], Any]) -> float:
    """Images a second, one after another."""
    began = time.perf_counter()
    for index in range(PHOTOGRAPHS):
        do(index)
    return PHOTOGRAPHS / (time.perf_counter() - began)


def speed_of_loader(make: Callable[[int], Iterable[Any]], processes: int) -> float:
    """Images a second while all processes are at work: at both ends of the time they hold as many batches ready."""
    before, counted, _ = passes(processes)
    batches = iter(make(processes))
    for _ in range(before):
        next(batches)
    began = time.perf_counter()
    for _ in range(counted):
        next(batches)
    return BATCH * counted / (time.perf_counter() - began)


def compare(rounds: int, processes: int, speeds: Mapping[str, Callable[[], float]]) -> list[Way]:
    """Every way in every round, one after another."""
    bar = tqdm(range(rounds), f"{processes} processes" if processes else "one core", disable=not sys.stderr.isatty())
    seen = [[speed() for speed in speeds.values()] for _ in bar]
    columns = np.array(seen).T
    return [
        Way(name, processes, _spread(column), _spread(column / columns[0]))
        for name, column in zip(speeds, columns, strict=True)
    ]


def _spread(values: Any) -> Spread:
    return float(values.min()), float(np.median(values)), float(values.max())


def measure(root: Path, small: Path, rounds: int) -> Iterator[Way]:
    """All ways: on one core of this process, then of whole loaders."""
    available, threads = os.sched_getaffinity(0), torch.get_num_threads()
    os.sched_setaffinity(0, {min(available)})
    torch.set_num_threads(1)
    try:
        yield from compare(rounds, 0, one_by_one(root, small))
    finally:
        os.sched_setaffinity(0, available)
        torch.set_num_threads(threads)
    for processes in process_counts():
        made = {name: partial(speed_of_loader, make, processes) for name, make in loaders(root, small).items()}
        yield from compare(rounds, processes, made)


def line(way: Way) -> tuple[str, ...]:
    """The cells of one way in the table."""
    least, middle, most = way.ratio
    processes = str(way.processes or "one core")
    return processes, way.name, f"{way.speed[1]:.0f}", f"{middle:.2f}", f"{least:.2f} to {most:.2f}"


def measured(data: str | None, rounds: int) -> Speeds:
    """The speeds of all ways, on images of `data` or on photographs.

    Raises:
        UserError: as `sample`.
    """
    with tempfile.TemporaryDirectory() as folder:
        root, small = Path(folder) / "whole", Path(folder) / "small"
        found = sample(data, PHOTOGRAPHS)
        files = list(found.values())
        count = BATCH * sum(passes(process_counts()[-1]))  # as many as a round of a loader takes
        write(small, [stored(file, where) for where, file in found.items()], count)
        write(root, files, count)
        ways = tuple(measure(root, small, rounds))
    kind = "of its training images" if data else f"photographs made up, {WIDTH} x {HEIGHT}"
    size = np.mean([len(file) for file in files]) / 1000
    inputs = (
        f"{len(files)} {kind}, {size:.0f} kB on average, cropped to {SIDE} x {SIDE}; ours decode by {crops.decoder()}"
    )
    return Speeds("images/s", environment.cpu(), inputs, rounds, ways)


def bench(data: str | None, rounds: int) -> int:
    """Prints the table and writes the file."""
    speeds = measured(data, rounds)
    print(f"{table([COLUMNS, *map(line, speeds.ways)])}written: {relative(write_speeds('imagenet', speeds))}")
    return 0


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="ImageNet, in any layout that training accepts")
    parser.add_argument("--rounds", type=int, choices=range(1, 101), default=5, metavar="1 to 100")
    options = parser.parse_args()
    return guarded(lambda: bench(located(options).data, options.rounds))


if __name__ == "__main__":
    sys.exit(main())
