"""LibriSpeech's examples: what a batch holds, and what is refused before training begins."""

import shutil

import numpy as np
import pytest
import soundfile
import torch

from benchmarks.errors import UserError
from datamodules.layouts import audio
from datamodules.layouts.librispeech import open_split
from datamodules.librispeech import LibriSpeechData
from datamodules.subwords import BLANK, Subwords
from tests.datamodules.fitting import ready

pytestmark = pytest.mark.usefixtures("own_place")


def data(root, seed=3, workers=0, **changes):
    settings = {
        "training": ["train-clean-100"], "subwords": 24, "global_batch_size": 12, "evaluation_batch_size": 6,
    } | changes  # fmt: skip
    return LibriSpeechData(str(root), seed, workers=workers, **settings)


@pytest.fixture
def copied(librispeech_tree, tmp_path):
    return shutil.copytree(librispeech_tree, tmp_path / "tree")


def audio_of(tree, subset):
    return sorted((tree / "LibriSpeech" / subset).glob("*/*/*.flac"))[0]


def test_a_training_batch_holds_the_files_samples_and_their_labels(librispeech_tree):
    datamodule = ready(data(librispeech_tree))
    split = open_split(str(librispeech_tree), "train-clean-100")
    seen = []
    for batch in datamodule.train_dataloader():
        labels = batch["labels"].split(batch["label_counts"])
        assert batch["samples"].dtype == torch.int16
        for row, index in enumerate(batch["index"]):
            there, rate = soundfile.read(split.path(index), dtype="int16")
            count = batch["counts"][row]
            assert (rate, count) == (16_000, len(there))
            assert batch["samples"][row, :count].tolist() == there.tolist()
            assert not batch["samples"][row, count:].any()
            assert datamodule.subwords.decode(labels[row].tolist()) == split.transcripts[index]
            assert BLANK not in labels[row]
        seen += batch["index"]
    assert sorted(seen) == list(range(32))
    assert datamodule.step_targets * datamodule.steps_per_epoch == 32
    assert len(datamodule.train_dataloader()) == datamodule.steps_per_epoch


def drawn(datamodule):
    return {
        index: number
        for batch in datamodule.train_dataloader()
        for index, number in zip(batch["index"], batch["random"], strict=True)
    }


def test_the_random_number_of_an_utterance_follows_from_seed_epoch_and_id(librispeech_tree):
    first = drawn(ready(data(librispeech_tree)))
    assert len(set(first.values())) == 32
    assert drawn(ready(data(librispeech_tree, workers=2))) == first
    halves = [drawn(ready(data(librispeech_tree), rank=rank, world=2)) for rank in (0, 1)]
    assert halves[0] | halves[1] == first
    again = ready(data(librispeech_tree))
    again.trainer.global_step = again.steps_per_epoch
    assert set(drawn(again).values()).isdisjoint(first.values())
    assert set(drawn(ready(data(librispeech_tree, seed=4))).values()).isdisjoint(first.values())


def test_testing_gives_every_utterance_once_on_each_test_set(librispeech_tree):
    for world in (1, 2, 3, 7):
        ranks = [ready(data(librispeech_tree), rank=rank, world=world).test_dataloader() for rank in range(world)]
        for place, (name, expected) in enumerate((("test-clean", 10), ("test-other", 5))):
            loaders = [loaders[place] for loaders in ranks]
            assert len({len(loader) for loader in loaders}) == 1
            batches = [batch for loader in loaders for batch in loader]
            assert sorted(index for batch in batches for index in batch["index"]) == list(range(expected))
            said = open_split(str(librispeech_tree), name).transcripts
            for batch in batches:
                assert batch["transcripts"] == [said[index] for index in batch["index"]]


def test_only_the_test_sets_are_opened_to_test(copied):
    for needless in ("train-clean-100", "dev-clean", "test-other"):
        shutil.rmtree(copied / "LibriSpeech" / needless)
    datamodule = data(copied)
    datamodule.setup("test")
    assert [*datamodule.fingerprint] == ["test-clean", "test-clean digest"]
    assert datamodule.fingerprint["test-clean"] == 10


@pytest.mark.parametrize("subset", ["train-clean-100", "dev-clean", "test-other"])
def test_fingerprint_changes_with_a_transcript_of_the_same_words(librispeech_tree, copied, subset):
    """Two of a chapter change places, which changes neither a count nor the vocabulary."""
    before = ready(data(librispeech_tree)).fingerprint
    file = next((copied / "LibriSpeech" / subset).glob("*/*/*.trans.txt"))
    first, second, *rest = [line.split(" ", 1) for line in file.read_text().splitlines()]
    assert first[1] != second[1]
    lines = [[first[0], second[1]], [second[0], first[1]], *rest]
    file.write_text("".join(" ".join(line) + "\n" for line in lines))
    after = ready(data(copied)).fingerprint
    assert [key for key in before if before[key] != after[key]] == [f"{subset} digest"]


def test_subwords_are_the_same_again_and_write_every_transcript(librispeech_tree):
    texts = open_split(str(librispeech_tree), "train-clean-100").transcripts
    one, other = Subwords.for_recognition(texts, 24), Subwords.for_recognition(texts, 24)
    assert one.model == other.model
    assert len(one.pieces) == 24
    for text in (*texts, "I'M A MODEL"):
        assert one.decode(one.encode(text)) == text
    with pytest.raises(UserError, match=r"gives no 5000 subwords .*lower data.init_args.subwords"):
        Subwords.for_recognition(texts, 5_000)


@pytest.mark.parametrize("subset", ["dev-clean", "test-clean", "test-other"])
def test_a_chapter_that_is_tested_must_not_be_trained_on(copied, subset):
    chapter = audio_of(copied, subset).parent
    reader = copied / "LibriSpeech/train-clean-100" / chapter.parent.name
    count = len(open_split(str(copied), subset))
    shutil.copytree(chapter, reader / chapter.name)
    first = sorted(path.stem for path in chapter.glob("*.flac"))[0]
    message = rf"of the {count} utterances of {subset} are in train-clean-100 too, first {first}"
    with pytest.raises(UserError, match=message):
        data(copied).setup("fit")


def half_rate(file):
    soundfile.write(file, soundfile.read(file)[0], 8_000)


def two_channels(file):
    samples, rate = soundfile.read(file)
    soundfile.write(file, np.stack([samples, samples], axis=1), rate)


def no_audio(file):
    file.write_bytes(b"once a recording")


def empty(file):
    file.write_bytes(b"")


def linked_to_nothing(file):
    file.unlink()
    file.symlink_to("nowhere.flac")


@pytest.mark.parametrize("subset", ["train-clean-100", "dev-clean", "test-other"])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (half_rate, r"has 8000 Hz and 1 channel\(s\), where 16000 Hz and one are needed"),
        (two_channels, r"has 16000 Hz and 2 channel\(s\)"),
        (no_audio, "is no audio file"),
        (empty, "is no audio file"),
        (linked_to_nothing, "is a link to a file that is not there"),
    ],
)
def test_audio_of_another_kind_is_refused_at_once(copied, subset, damage, message):
    file = audio_of(copied, subset)
    damage(file)
    with pytest.raises(UserError, match=f"{file} {message}.*; 1 of .* files of {subset} are broken like this"):
        data(copied).setup("fit")


def rot(file):
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 300] = bytes(300)
    file.write_bytes(content)


@pytest.mark.parametrize("subset", ["dev-clean", "test-clean"])
def test_rot_in_what_is_evaluated_is_found_before_training(copied, subset):
    file = audio_of(copied, subset)
    rot(file)
    with pytest.raises(UserError, match=f"{file} is truncated or broken"):
        data(copied).verify(training=True)


@pytest.mark.parametrize("cut", [1, 50, 2_000])
def test_a_truncated_file_is_found_before_training(copied, cut):
    file = audio_of(copied, "train-clean-100")
    file.write_bytes(file.read_bytes()[:-cut])
    with pytest.raises(UserError, match=f"{file} is truncated or empty; 1 of 32"):
        data(copied).verify(training=True)
    data(copied).verify(training=False)
    with pytest.raises(UserError, match="is no whole audio file"):
        audio.read_samples(file)


def test_a_missing_training_subset_is_named(librispeech_tree):
    with pytest.raises(UserError, match="train-other-500 is missing"):
        data(librispeech_tree, training=["train-clean-100", "train-other-500"]).setup("fit")
