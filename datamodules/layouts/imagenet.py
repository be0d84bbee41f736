"""ImageNet (ILSVRC2012) as people have it: class folders, flat validation images, Parquet or packed shards, the hub.

`open_split` recognises the form by what is there and answers the same labels and the same bytes whichever it is. Of
1.28 million files only the folder entries are read, none is opened.
"""

import os
import re
import zlib
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.errors import UserError
from datamodules.layouts import imagenet_arrow as arrow
from datamodules.layouts import imagenet_parquet as parquet
from datamodules.layouts.faults import read_faults
from datamodules.layouts.imagenet_split import SUFFIXES, Files, Split, pack, require_two_splits
from datamodules.layouts.official import lacking
from results.scoring.classification import Truth

OFFICIAL = {"train": 1_281_167, "val": 50_000}
NUM_CLASSES = 1000

DEVKIT = "ILSVRC2012_devkit_t12"
TRUTH = "data/ILSVRC2012_validation_ground_truth.txt"
META = "data/meta.mat"
NUMBER = re.compile(r"(\d+)(_n\d{8})?$")
"""The number of a validation image, at the end of its name, maybe before its wnid, as in the hub's archives."""
PACKED = {"train": "ILSVRC2012_img_train.tar", "val": "ILSVRC2012_img_val.tar"}

FORMS = f"""ImageNet is expected in one of these forms:
  <root>/train/<wnid>/*.JPEG and <root>/val/<wnid>/*.JPEG
  <root>/train/<wnid>/*.JPEG and <root>/val/*.JPEG beside <root>/{DEVKIT}/
  <root>/train-*.parquet and <root>/validation-*.parquet (or both in <root>/data/), columns image and label
  <root>/train-*.arrow and <root>/val-*.arrow, as `make data-imagenet DATA=<any of these> PACK=<root>` packs them
  hf:<name>, a data set of the Hugging Face hub with these columns
`make data-imagenet DATA=<root>` unpacks the official archives."""

_AGAIN = f"Remove the folder and unpack {DEVKIT}.tar.gz again (`make data-imagenet`)."


@read_faults()
def open_split(root: str, split: str) -> Split:
    """Opens one split, in whichever form it lies there.

    Args:
        root: a folder, or `hf:<name>` for a data set of the Hugging Face hub.
        split: `train` or `val`.

    Raises:
        UserError: no such split, nothing there, no known form, still packed, split missing, a class without images,
            ground truth that doesn't fit the images, two images of one id, shards missing, damaged or without their
            columns, or a folder that may not be read.
    """
    _require_known(split)
    if root.startswith("hf:"):
        return parquet.open_hub(root, split)
    folder = Path(root)
    entries = {name for name, _ in _entries(folder)}
    if files := parquet.shards(folder, split):
        return parquet.open_shards(folder, files, split)
    if files := arrow.shards(folder, split):
        return arrow.open_shards(folder, files, split)
    if split in entries and (folder / split).is_dir():
        return _open_folder(folder, split)
    raise UserError(_why_not(folder, split, entries))


@read_faults()
def present(root: str | Path, split: str) -> bool:
    """Whether a split lies in a folder, unpacked from its archive; raises UserError where shards are missing."""
    _require_known(split)
    root = Path(root)
    return (root / split).is_dir() or bool(parquet.shards(root, split) or arrow.shards(root, split))


def _require_known(split: str) -> None:
    if split not in OFFICIAL:
        raise UserError(f"there is no split {split!r} of ImageNet. Known: {', '.join(OFFICIAL)}.")


def truth(root: str, split: str) -> Truth:
    """Ids, labels and number of classes of a split, for scoring.

    Raises:
        UserError: as `open_split`.
    """
    opened = open_split(root, split)
    return Truth(opened.ids, opened.labels, len(opened.classes))


def check(root: str, training: bool, full: bool) -> list[str]:
    """A look at the folders before anything starts; returns what the user should know.

    Raises:
        UserError: as `open_split` and `require_two_splits`.
    """
    splits = {name: open_split(root, name) for name in (("train", "val") if training else ("val",))}
    if training:
        require_two_splits(splits["train"], splits["val"])
    less = lacking({name: len(split) for name, split in splits.items()}, OFFICIAL) if full else ()
    return [f"DATA is not ILSVRC2012 whole ({'; '.join(less)}): unofficial"] if less else []


def sample(root: str) -> str:
    """What is found where one image is decoded.

    Raises:
        UserError: as `open_split`, or the image is broken.
    """
    from datamodules.layouts.images import decode

    val = open_split(root, "val")
    width, height = decode(val.read(0), val.where(0)).size
    return f"{len(val):,} images of val in {len(val.classes):,} classes; {val.identity(0)} decodes, {width} x {height}"


def _why_not(root: Path, split: str, entries: set[str]) -> str:
    if not entries:
        return f"{root} is empty.\n{FORMS}"
    if PACKED[split] in entries:
        return f"{root} holds {PACKED[split]}, still packed. Run `make data-imagenet DATA={root}`."
    other = "val" if split == "train" else "train"
    if present(root, other):
        return f"{root} holds {other} but no {split}, which this command needs.\n{FORMS}"
    seen = ", ".join(sorted(entries)[:5])
    return f"{root} holds no ImageNet in any known form (it holds {seen}).\n{FORMS}"


def _entries(folder: Path) -> list[tuple[str, bool]]:
    """(name, is a folder) of what a folder holds, without what begins with a dot."""
    try:
        with os.scandir(folder) as entries:
            return [(entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith(".")]
    except FileNotFoundError:
        raise UserError(f"{folder} does not exist. Set DATA to the folder that holds ImageNet.\n{FORMS}") from None
    except NotADirectoryError:
        raise UserError(f"{folder} is a file, not a folder. Set DATA to the folder that holds ImageNet.") from None


def _images(entries: list[tuple[str, bool]]) -> list[tuple[str, int]]:
    """(name without suffix, index of the suffix) of the images among folder entries, sorted."""
    split = (name.rpartition(".") for name, is_folder in entries if not is_folder)
    return sorted((stem, SUFFIXES.index(f".{suffix}")) for stem, _, suffix in split if f".{suffix}" in SUFFIXES)


def _open_folder(root: Path, split: str) -> Split:
    """`<root>/<split>/`, with class folders or flat."""
    folder = root / split
    entries = _entries(folder)
    wnids = sorted(name for name, is_folder in entries if is_folder)
    loose = _images(entries)
    if wnids and loose:
        raise UserError(
            f"{folder} holds class folders and loose images ({loose[0][0]}) too, so it seems half sorted. Move the "
            "loose ones into their class folders."
        )
    if not wnids and any(name.endswith(".tar") for name, _ in entries):
        raise UserError(
            f"the classes in {folder} are still packed. Unpack each into a folder of its name; or put {PACKED[split]} "
            f"into {root}, remove {folder} and run `make data-imagenet DATA={root}`."
        )
    if not wnids and split == "train":
        raise UserError(f"{folder} holds no class folders.\n{FORMS}")
    if not wnids:
        return _open_flat(root, split, loose)
    return _open_classes(folder, split, wnids)


def _open_classes(folder: Path, split: str, wnids: list[str]) -> Split:
    images: list[tuple[str, int]] = []
    labels: list[int] = []
    for label, wnid in enumerate(wnids):
        found = _images(_entries(folder / wnid))
        if not found:
            raise UserError(_no_images(folder / wnid))
        _refuse_twins(folder / wnid, found)
        images += [(f"{wnid}/{stem}", suffix) for stem, suffix in found]
        labels += [label] * len(found)
    return _on_disk(folder, split, images, labels, wnids)


def _no_images(folder: Path) -> str:
    if any(is_folder for _, is_folder in _entries(folder)):
        return f"{folder} holds folders and no images, so it seems unpacked a level too deep. Move what is in it up."
    return f"{folder} holds no images. Unpack that class again, or remove its folder."


def _open_flat(root: Path, split: str, images: list[tuple[str, int]]) -> Split:
    """Flat validation images, labelled by the development kit in the order of their names."""
    folder = root / split
    if not images:
        raise UserError(f"{folder} holds no images.\n{FORMS}")
    if not (root / DEVKIT).is_dir():
        raise UserError(
            f"{folder} is flat, so its labels must come from {root / DEVKIT}, which is not there. Put "
            f"{DEVKIT}.tar.gz into {root} and run `make data-imagenet DATA={root}`."
        )
    _refuse_twins(folder, images)
    truth, wnids = read_devkit(root / DEVKIT)
    if len(truth) != len(images):
        raise UserError(
            f"{root / DEVKIT / TRUTH} has {len(truth)} lines, but {folder} has {len(images)} images, so labels would "
            f"shift. Remove {folder} and run `make data-imagenet DATA={root}`."
        )
    for number, (stem, suffix) in enumerate(images, start=1):
        if not (digits := NUMBER.search(stem)) or int(digits[1]) != number:
            raise UserError(
                f"{folder / stem}{SUFFIXES[suffix]} stands where image {number} should, whose label is line {number} "
                f"of {TRUTH}: one is missing, another too many, or they are not numbered from 1 by their "
                f"names. Remove {folder} and run `make data-imagenet DATA={root}`."
            )
    label = {wnid: index for index, wnid in enumerate(wnids)}
    return _on_disk(folder, split, images, [label[wnid] for wnid in truth], wnids)


def _refuse_twins(folder: Path, images: list[tuple[str, int]]) -> None:
    """Ids carry no suffix, so two files that differ in theirs alone would be one example."""
    for (before, first), (stem, second) in pairwise(images):
        if before == stem:
            names = f"{stem}{SUFFIXES[first]} and {stem}{SUFFIXES[second]}"
            raise UserError(f"{folder} holds {names}, two images of one id. Remove one.")


def _on_disk(folder: Path, split: str, images: list[tuple[str, int]], labels: list[int], wnids: list[str]) -> Split:
    """A split of files, from (id, index of the suffix) of each; raises UserError where a name is no UTF-8."""
    try:
        "".join(identity for identity, _ in images).encode()
    except UnicodeEncodeError as error:
        around = error.object[max(0, error.start - 40) : error.end + 40]
        raise UserError(f"{folder} has an image whose name is no UTF-8, near {around!a}. Rename it.") from None
    source = Files(str(folder), np.array([suffix for _, suffix in images], dtype=np.uint8))
    ids = pack([identity for identity, _ in images])
    return Split(split, ids, np.array(labels, dtype=np.int64), tuple(wnids), source)


def read_devkit(devkit: Path) -> tuple[list[str], list[str]]:
    """The wnid of each validation image in the order of their names, and all wnids, sorted.

    `meta.mat` lists the 1000 classes and, with children, the inner synsets above them, as rows (ILSVRC2012_ID, WNID,
    words, gloss, num_children, children, ...); as torchvision's datasets/imagenet.py reads it.

    Raises:
        UserError: a file of the kit is missing or can't be read, or a ground truth line is no class of it.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        meta, lines = (devkit / META).read_bytes(), (devkit / TRUTH).read_bytes().split()
    except OSError as error:
        raise UserError(f"{error.filename} cannot be read ({error.strerror}). {_AGAIN}") from error
    try:
        synsets = loadmat(BytesIO(meta), squeeze_me=True)["synsets"]
        wnids = {int(row[0]): str(row[1]) for row in synsets.tolist() if row[4] == 0}
        truth = [wnids[int(line)] for line in lines]
    except (MatReadError, OSError, ValueError, LookupError, TypeError, NotImplementedError, zlib.error) as error:
        raise UserError(f"{devkit} is damaged: {error!r} in {META} or {TRUTH}. {_AGAIN}") from error
    return truth, sorted(wnids.values())
