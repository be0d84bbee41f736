"""COCO's detection data as people have them on disk: `annotations/instances_<split>.json` beside a folder of images.

Only what a command needs must be there: scoring predictions reads the annotations of one split and no image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import msgspec
import numpy as np

from benchmarks.errors import UserError
from datamodules.layouts.digest import counted
from datamodules.layouts.faults import read_faults
from results.scoring.average_precision import Objects
from results.scoring.coco_results import Id, Pixels, decode
from results.scoring.detection import Truth

TRAIN, VAL = "train2017", "val2017"
OFFICIAL = {TRAIN: 118_287, VAL: 5_000}
SHOWN = 3

TREE = """COCO is expected as its archives unpack:
  <root>/annotations/instances_train2017.json and <root>/annotations/instances_val2017.json
  <root>/train2017/*.jpg and <root>/val2017/*.jpg
`make data-coco DATA=<root>` fetches and unpacks them."""


Side = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]


class Image(msgspec.Struct, gc=False):
    """An entry of `images`."""

    id: Id
    file_name: str
    width: Side
    height: Side


class Annotation(msgspec.Struct, gc=False):
    """An entry of `annotations`; `bbox` is x, y, width, height in pixels."""

    id: Id
    image_id: Id
    category_id: Id
    bbox: tuple[Pixels, Pixels, Pixels, Pixels]
    area: float
    iscrowd: Literal[0, 1] = 0


class Category(msgspec.Struct, gc=False):
    """An entry of `categories`."""

    id: Id
    name: str


class Instances(msgspec.Struct):
    """An annotation file, without what detection has no use for."""

    images: list[Image]
    annotations: list[Annotation]
    categories: list[Category]


@dataclass(frozen=True, eq=False)
class Split:
    """One split: what is annotated, and where its images lie, `file_names` in the order of the truth's ids."""

    name: str
    folder: Path
    file_names: tuple[str, ...]
    truth: Truth

    def __len__(self) -> int:
        return len(self.file_names)

    @cached_property
    def counted(self) -> dict[str, Any]:
        """The number of images, and a digest of all that is annotated."""
        return counted(self.name, self.truth)

    @property
    def paths(self) -> list[str]:
        """The files of all images."""
        return [self.where(index) for index in range(len(self))]

    def where(self, index: int) -> str:
        """The file of an image."""
        return str(self.folder / self.file_names[index])

    def open(self, index: int) -> BinaryIO:
        """The encoded image; OSError where there is none."""
        return (self.folder / self.file_names[index]).open("rb")

    def read(self, index: int) -> bytes:
        """The encoded image, byte for byte; raises UserError where it can't be read."""
        with read_faults(self.where(index)), self.open(index) as stream:
            return stream.read()

    @read_faults()
    def require_images(self) -> None:
        """Looks whether every annotated image is in the folder.

        Raises:
            UserError: the folder is missing, lacks images or may not be read.
        """
        if not self.folder.is_dir():
            raise UserError(f"{self.folder} is missing, whose images this command reads.\n{TREE}")
        there = {path.name for path in self.folder.iterdir()}
        missing = [name for name in self.file_names if name not in there]
        if missing:
            raise UserError(
                f"{self.folder} lacks {len(missing):,} of the {len(self):,} annotated images, first "
                f"{', '.join(missing[:SHOWN])}. Unpack its archive again, or give the annotations of these images."
            )


def truth(root: str, split: str) -> Truth:
    """What predictions on a split are held against; reads no image.

    Raises:
        UserError: as `open_split`, or nothing is annotated that could be found.
    """
    found = open_split(root, split).truth
    if found.objects.crowd.all():
        raise UserError(f"{root}: the annotations of {split} hold no object that could be found. Take official ones.")
    return found


def check(root: str, training: bool, full: bool) -> list[str]:
    """A look at the files before anything starts; returns what the user should know.

    Raises:
        UserError: a file is missing or contradicts itself.
    """
    for split in (TRAIN, VAL) if training else (VAL,):
        _require_file(Path(root), split)
    if not full or (count := len(open_split(root, VAL))) == OFFICIAL[VAL]:
        return []
    return [
        f"DATA is not COCO 2017 whole ({VAL}: {count:,} images, officially {OFFICIAL[VAL]:,}): unofficial, its verdict "
        "`not comparable`"
    ]


def sample(root: str) -> str:
    """What is found where one image is decoded.

    Raises:
        UserError: as `open_split`, or images are missing, or this one is broken.
    """
    from datamodules.layouts import images

    val = open_split(root, VAL)
    val.require_images()
    width, height = images.decode(val.read(0), val.where(0)).size
    objects = len(val.truth.objects.crowd)
    return f"{len(val):,} images of {VAL}, {objects:,} objects; {val.file_names[0]} decodes, {width} x {height}"


def open_split(root: str, split: str) -> Split:
    """Reads the annotations of `train2017` or `val2017`.

    Raises:
        UserError: the file is missing, truncated or in another form, an id or a name stands twice, an annotation is
            about an image or a category that is not there, or a size is negative.
    """
    file = _require_file(Path(root), split)
    content = decode(file, Instances, "COCO's object instances: images, annotations and categories")
    images = sorted(content.images, key=lambda image: image.id)
    categories = sorted(content.categories, key=lambda category: category.id)
    if not images or not categories:
        raise UserError(f"{file} lists {len(images)} images and {len(categories)} categories. Take the official one.")
    _refuse_twins(file, "ids of images", [image.id for image in images])
    _refuse_twins(file, "file names", [image.file_name for image in images])
    _refuse_twins(file, "ids of categories", [category.id for category in categories])
    _refuse_twins(file, "names of categories", [category.name for category in categories])
    _refuse_twins(file, "ids of annotations", [annotation.id for annotation in content.annotations])
    found = Truth(
        tuple(image.id for image in images),
        np.array([(image.width, image.height) for image in images], np.int64).reshape(-1, 2),
        tuple(category.id for category in categories),
        tuple(category.name for category in categories),
        _objects(file, content.annotations, images, categories),
    )
    return Split(split, Path(root) / split, tuple(image.file_name for image in images), found)


@read_faults()
def _require_file(root: Path, split: str) -> Path:
    """The annotation file of a split."""
    if str(root).startswith("hf:"):
        raise UserError(f"DATA={root}: COCO is read from a folder.\n{TREE}")
    file = root / "annotations" / f"instances_{split}.json"
    if not root.is_dir():
        raise UserError(f"{root} is no folder. Set DATA to the folder that holds COCO.\n{TREE}")
    if not file.is_file():
        raise UserError(f"{file} is missing.\n{TREE}")
    return file


def _refuse_twins(file: Path, key: str, ids: Sequence[int | str]) -> None:
    """What stands twice means another thing to each program that reads it."""
    twice = [each for each, count in Counter(ids).items() if count > 1]
    if twice:
        raise UserError(
            f"{file}: {key} stand more than once ({len(twice):,}), first {twice[0]}; the official tool would "
            "count one of them for both. Each must stand once."
        )


def _objects(
    file: Path, annotations: Sequence[Annotation], images: Sequence[Image], categories: Sequence[Category]
) -> Objects:
    image_at = {image.id: position for position, image in enumerate(images)}
    category_at = {category.id: position for position, category in enumerate(categories)}
    for each in annotations:
        if each.image_id not in image_at or each.category_id not in category_at:
            raise UserError(
                f"{file}: annotation {each.id} is about image {each.image_id} and category {each.category_id}, of "
                "which the file lacks one. It is incomplete; take the official one, or leave such annotations out."
            )
        if min(*each.bbox[2:], each.area) < 0 or each.id < 1:
            raise UserError(
                f"{file}: annotation {each.id} has bbox {list(each.bbox)} and area {each.area}; sizes are never "
                "negative, and ids begin at 1 (the official tool takes 0 for no object)."
            )
    return Objects(
        np.array([image_at[each.image_id] for each in annotations], np.int64),
        np.array([category_at[each.category_id] for each in annotations], np.int64),
        np.array([each.bbox for each in annotations], np.float64).reshape(-1, 4),
        np.array([each.area for each in annotations], np.float64),
        np.array([each.iscrowd for each in annotations], bool),
        np.zeros(len(annotations)),
    )
