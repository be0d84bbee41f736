"""What the doctor says of each data set's first example, which it decodes; a broken one is named."""

import pytest

from benchmarks.errors import UserError
from datamodules.layouts import coco, imagenet, imdb, librispeech, wmt
from tests.datamodules import imagenet_trees, imdb_trees, test_coco_layout, wmt_forms
from tests.datamodules.librispeech_trees import chapter_of, write_tree


def write_coco(root):
    content = test_coco_layout.instances()
    test_coco_layout.put(root, content)
    for image in content["images"]:
        imagenet_trees.put(root / "val2017" / image["file_name"], imagenet_trees.encoded(image["id"]))


def write_imdb(root):
    imdb_trees.put(root, imdb_trees.reviews() | {"test/neg/0_2": "three words here"})


WRITTEN = {
    imagenet: (
        imagenet_trees.write_folders,
        "5 images of val in 3 classes; n01440764/ILSVRC2012_val_00000002 decodes, 24 x 20",
    ),
    coco: (write_coco, "5 images of val2017, 3 objects; 000000000042.jpg decodes, 24 x 20"),
    librispeech: (
        lambda root: write_tree(root, {"test-clean": {"84-121123-0000": "GO", "84-121123-0001": "NOW"}}, 0.75),
        "2 utterances of test-clean; 84-121123-0000 decodes, 0.8 s",
    ),
    wmt: (
        lambda root: wmt_forms.put(root, "train"),
        "6 pairs to train on; the first reads, 9 and 8 letters",  # Ein Haus. A house.
    ),
    imdb: (write_imdb, "22 reviews of test; neg/0_2 reads, 3 words"),
}


@pytest.mark.parametrize(("layout", "written"), WRITTEN.items(), ids=lambda each: getattr(each, "__name__", ""))
def test_an_example_is_decoded(tmp_path, layout, written):
    write, words = written
    write(tmp_path)
    assert layout.sample(str(tmp_path)) == words


@pytest.mark.parametrize(
    ("layout", "broken"),
    [
        (imagenet, lambda root: root / "val/n01440764/ILSVRC2012_val_00000002.JPEG"),
        (coco, lambda root: root / "val2017/000000000042.jpg"),
        (librispeech, lambda root: chapter_of(root, "test-clean", "84-121123-0000") / "84-121123-0000.flac"),
    ],
    ids=["imagenet", "coco", "librispeech"],
)
def test_a_broken_example_is_named(tmp_path, layout, broken):
    WRITTEN[layout][0](tmp_path)
    path = broken(tmp_path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match=path.name):
        layout.sample(str(tmp_path))
