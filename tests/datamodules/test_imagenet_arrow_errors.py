"""Every way in which packed ImageNet can be broken, and what its message says."""

import os
import shutil

import datasets
import pyarrow
import pytest

from benchmarks.errors import UserError
from datamodules.layouts import imagenet_arrow
from datamodules.layouts.imagenet import open_split
from tests.datamodules import imagenet_stores
from tests.datamodules.imagenet_stores import VAL_FILES

pytestmark = pytest.mark.usefixtures("own_cache")
tree, store = imagenet_stores.tree, imagenet_stores.store


def cut(path, size=None):
    os.truncate(path, path.stat().st_size // 2 if size is None else size)


def without_end(path):
    """Cut between two messages, where Arrow itself sees nothing missing."""
    cut(path, path.stat().st_size - 8)


def damage(path):
    """The offsets of the first column lead out of the file."""
    (batch,) = pyarrow.ipc.open_stream(str(path))
    offsets = batch.column("image").field("bytes").buffers()[1].to_pybytes()[:12]
    whole = path.read_bytes()
    assert whole.count(offsets) >= 1
    path.write_bytes(whole.replace(offsets, b"\0\0\0\0" + b"\xff\xff\xff\x7f" * 2, 1))


def foreign(**columns):
    def write(path):
        table = datasets.Dataset.from_dict(columns).data.table
        with pyarrow.ipc.new_stream(str(path), table.schema) as stream:
            stream.write_table(table)

    return write


def relabelled(path):
    """A file of a packing with other classes."""
    table = pyarrow.ipc.open_stream(str(path)).read_all()
    with pyarrow.ipc.new_stream(str(path.with_name("new")), imagenet_arrow.schema_of(["a", "b", "c"])) as stream:
        stream.write_table(table.cast(imagenet_arrow.schema_of(["a", "b", "c"])))
    path.with_name("new").rename(path)


PACK_AGAIN = "make data-imagenet DATA=<where the images came from> PACK="
BROKEN = {
    "missing": (lambda path: path.unlink(), ["has 2 Arrow shards of val", "there are 3", PACK_AGAIN]),
    "half": (cut, [VAL_FILES[1], "it was cut short", "Remove it", PACK_AGAIN]),
    "without its end": (without_end, [VAL_FILES[1], "it was cut short", PACK_AGAIN]),
    "empty": (lambda path: cut(path, 0), [VAL_FILES[1], "no whole Arrow file", PACK_AGAIN]),
    "no Arrow": (lambda path: path.write_bytes(b"<html>404</html>" * 99), [VAL_FILES[1], "Remove it", PACK_AGAIN]),
    "noise": (lambda path: path.write_bytes(os.urandom(999) + imagenet_arrow.END), [VAL_FILES[1], "no whole"]),
    "damaged": (damage, [VAL_FILES[1], "no whole Arrow file", PACK_AGAIN]),
    "other columns": (foreign(a=[1]), [VAL_FILES[1], "it has columns a, not image (bytes, path) and label"]),
    "no bytes": (
        foreign(image=[{"bytes": b"", "path": "a.JPEG"}, {"bytes": None, "path": "b.JPEG"}], label=[0, 0]),
        [VAL_FILES[1], "rows without image"],
    ),
    "no suffix": (
        foreign(image=[{"bytes": b"", "path": "a.JPEG"}, {"bytes": b"", "path": "b"}], label=[0, 0]),
        [VAL_FILES[1], "a path without a suffix", "Remove it"],
    ),
    "no suffix in a folder with one": (
        foreign(image=[{"bytes": b"", "path": "a.b/c"}], label=[0]),
        [VAL_FILES[1], "a path without a suffix"],
    ),
    "no name": (
        foreign(image=[{"bytes": b"", "path": "a/.JPEG"}], label=[0]),
        [VAL_FILES[1], "a path without a suffix"],
    ),
    "no class names": (foreign(image=[{"bytes": b"", "path": "a.JPEG"}], label=[0]), ["no one pack", PACK_AGAIN]),
    "other classes": (relabelled, ["no one pack", "their classes differ", PACK_AGAIN]),
    "twice the same": (lambda path: shutil.copy(path.with_name(VAL_FILES[0]), path), ["an image is in two"]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_store_is_one_message(store, case):
    harm, expected = BROKEN[case]
    harm(store / VAL_FILES[1])
    with pytest.raises(UserError) as caught:
        open_split(str(store), "val")
    assert [part for part in [str(store), *expected] if part not in str(caught.value)] == [], str(caught.value)
    assert len(open_split(str(store), "train")) == 6


def test_a_store_without_a_class_name(tmp_path):
    foreign(image=[{"bytes": b"", "path": "a.JPEG"}], label=[0])(tmp_path / "val-00000-of-00001.arrow")
    with pytest.raises(UserError, match=r"labels without a class name\. Remove them"):
        open_split(str(tmp_path), "val")


@pytest.mark.parametrize(
    ("error", "said"),
    [(PermissionError(13, "Permission denied"), "Permission denied"), (OSError(5, "x"), "output error")],
)
def test_a_file_that_cannot_be_read_need_not_go(store, monkeypatch, error, said):
    def refuse(_):
        raise error

    monkeypatch.setattr(pyarrow, "memory_map", refuse)
    with pytest.raises(UserError) as caught:
        open_split(str(store), "val")
    message = str(caught.value)
    assert message.startswith(f"{store / VAL_FILES[0]} cannot be read: ")
    assert message.endswith(f"{said}. Check its permissions and the disk.")


def test_a_store_whose_path_is_no_utf8(store, tmp_path):
    moved = store.rename(tmp_path / os.fsdecode(b"caf\xe9"))
    with pytest.raises(UserError, match=r"caf\\udce9/val-.*' is no path in UTF-8, which Arrow needs"):
        open_split(str(moved), "val")
