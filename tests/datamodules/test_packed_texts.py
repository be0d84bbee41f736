"""Texts in one block: the same texts, in their order."""

import pickle

import pytest

from datamodules.layouts.digest import digest
from datamodules.packed_texts import PackedTexts

TEXTS = ("61-70968-0000", "", "HE BEGAN", "é 😀", "of no encoding \udcff", "two\nlines\0", "")


@pytest.mark.parametrize("texts", [TEXTS, TEXTS[1:2], ()])
def test_texts_come_back(texts):
    for packed in (PackedTexts(texts), PackedTexts(iter(texts)), pickle.loads(pickle.dumps(PackedTexts(texts)))):
        assert len(packed) == len(texts)
        assert tuple(packed) == tuple(packed[index] for index in range(len(texts))) == texts
        assert digest(tuple(packed)) == digest(texts)


@pytest.mark.parametrize("index", [-1, len(TEXTS)])
def test_there_is_no_text_beyond(index):
    with pytest.raises(IndexError):
        PackedTexts(TEXTS)[index]
