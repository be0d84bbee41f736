"""Parallel text as subwords: made once and whole, the same by every process, read by all, and every text survives."""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import datasets
import numpy as np
import pytest

from benchmarks.errors import UserError
from datamodules import columns
from datamodules import tokenised as module
from datamodules.columns import kind
from datamodules.layouts.wmt import open_training
from datamodules.miniature.wmt import TRAPS, Speaker
from datamodules.subwords import BEGIN, END, PAD, UNKNOWN
from datamodules.tokenised import tokenised
from tests.datamodules.archives import digests
from tests.datamodules.wmt_forms import put_pairs

REPOSITORY = Path(__file__).parents[2]
SIZE = 400
FORK = multiprocessing.get_context("fork")


def spoken(count, seed=3):
    """Pairs of German and English."""
    speaker = Speaker(np.random.default_rng(seed))
    return [speaker.said() for _ in range(count)]


PAIRS = [*spoken(150), *TRAPS]


def written(folder, pairs=PAIRS):
    """A tree of training text."""
    put_pairs(folder, "train", pairs)
    return open_training(str(folder))


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(columns, "ROOT", tmp_path / "root")
    return tmp_path / "root"


@pytest.fixture
def text(tmp_path):
    return written(tmp_path / "tree")


@pytest.fixture
def expected(text, tmp_path, monkeypatch):
    """What a maker that nobody disturbs writes."""
    with monkeypatch.context() as patch:
        patch.setattr(columns, "ROOT", tmp_path / "undisturbed")
        tokenised(text, SIZE)
    return digests(tmp_path / "undisturbed")


def read(found):
    """The texts of all pairs."""
    return [tuple(found.subwords.decode(side.tolist()) for side in found.pair(place)) for place in range(len(found))]


class Long:
    """So many pairs, of which nothing is held; every second one is longer."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def pair(self, place):
        return "ä" * 140, "a" * (140 + 20 * (place % 2))


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, ""),
        (500_000, ""),
        (700_001, "; some 1 GB of memory, minutes"),
        (4_500_001, "; some 8 GB of memory, minutes"),
    ],
)
def test_a_large_text_says_what_learning_takes(count, said):
    assert module._cost(Long(count)) == said


def test_a_small_text_is_announced_without_a_cost(root, text, capsys):
    tokenised(text, SIZE)
    assert f"learning 400 subwords from {len(PAIRS)} pairs of sentences (once)\n" in capsys.readouterr().out


def test_every_pair_is_there_in_its_place(root, text, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 7)  # many blocks, the last one not full
    found = tokenised(text, SIZE)
    assert len(found) == len(PAIRS)
    assert read(found) == PAIRS
    for place, sides in enumerate(PAIRS):
        ids = [found.subwords.encode(side) for side in sides]
        assert [side.tolist() for side in found.pair(place)] == ids
        assert found.lengths[place].tolist() == list(map(len, ids))


def test_ids_are_as_small_as_the_vocabulary_allows(root, text):
    found = tokenised(text, SIZE)
    assert [column.ids.dtype for column in found.columns] == [np.uint16] * 2
    assert [kind(size) for size in (256, 257, 65_536, 65_537)] == [np.uint8, np.uint16, np.uint16, np.uint32]


def test_the_vocabulary_begins_with_its_symbols_and_no_text_has_them(root, text):
    found = tokenised(text, SIZE)
    assert len(found.subwords.pieces) == SIZE
    assert [PAD, UNKNOWN, BEGIN, END] == [0, 1, 2, 3]
    assert found.subwords.pieces[:4] == ["<pad>", "<unk>", "<s>", "</s>"]
    assert min(column.ids.min() for column in found.columns) > END
    assert found.subwords.decode([BEGIN, *found.subwords.encode("Haus"), END]) == "Haus"


@pytest.mark.parametrize(
    "sentence",
    [
        "a\rb", "a\N{LINE SEPARATOR}b", "a\N{NEXT LINE}b", "a\N{NO-BREAK SPACE}b", "a\tb", "\ta", "Schmidt &amp; Sohn",
        "„Ich weiß“, “I know,” 'so' \"so\"", "日本語のテキスト", "😀 👩\N{ZERO WIDTH JOINER}👧 🇩🇪",
        "</s> <unk> <s> <pad>", "<0x41>", "\N{BYTE ORDER MARK}x", "ﬁ", "Å A\N{COMBINING RING ABOVE}", "\0", "",
    ],
)  # fmt: skip
def test_text_survives(root, text, sentence):
    """Compatibility and combining characters too: nothing is normalised."""
    subwords = tokenised(text, SIZE).subwords
    ids = subwords.encode(sentence)
    assert subwords.decode(ids) == sentence
    assert not {PAD, UNKNOWN, BEGIN, END}.intersection(ids)


def test_spaces_are_not_kept_but_between_words(root, text):
    subwords = tokenised(text, SIZE).subwords
    assert subwords.decode(subwords.encode(" ein   Haus ")) == "ein Haus"


def test_too_few_texts_for_so_many_subwords_are_refused_and_nothing_is_left(root, text):
    with pytest.raises(UserError, match=r"gives no 9000 subwords .*lower data.init_args.subwords"):
        tokenised(text, 9_000)
    assert all(path.endswith(".lock") for path in digests(root))


def test_one_folder_for_a_text_and_a_size(root, text, tmp_path, monkeypatch):
    made = []
    write = module._write
    monkeypatch.setattr(module, "_write", lambda draft, *rest: made.append(draft.name) or write(draft, *rest))
    tokenised(text, SIZE)
    tokenised(written(tmp_path / "copy"), SIZE)
    assert len(made) == 1, "the same text elsewhere is no other one"
    tokenised(text, SIZE + 1)
    swapped = [*PAIRS[1::-1], *PAIRS[2:]]
    tokenised(written(tmp_path / "swapped", swapped), SIZE)
    tokenised(written(tmp_path / "turned", [pair[::-1] for pair in PAIRS]), SIZE)
    tokenised(written(tmp_path / "other", [(f"{PAIRS[0][0]}!", PAIRS[0][1]), *PAIRS[1:]]), SIZE)
    assert len(set(made)) == len(made) == 5


def test_a_second_process_finds_the_same_bytes(expected, text, tmp_path):
    code = (
        "import sys; from pathlib import Path; from datamodules import columns, tokenised as module;"
        "from datamodules.layouts.wmt import open_training; columns.ROOT = Path(sys.argv[2]);"
        "module.tokenised(open_training(sys.argv[1]), int(sys.argv[3]))"
    )
    there = tmp_path / "second"
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "PYTHONHASHSEED": "11"}
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "tree"), str(there), str(SIZE)], env=environment, check=True,
        cwd=tmp_path,
    )  # fmt: skip
    assert digests(there) == expected


def child(target, *arguments):
    process = FORK.Process(target=target, args=arguments, daemon=True)
    process.start()
    return process


def test_processes_that_begin_at_once_make_one_whole_folder(root, text, expected, monkeypatch, tmp_path):
    """Three begin together, one makes it, slowly, and none reads it before it is whole."""
    barrier, makers, readers = FORK.Barrier(3), FORK.Queue(), FORK.Queue()
    write = module._write

    def slowly(draft, *rest):
        makers.put(os.getpid())
        time.sleep(0.3)
        write(draft, *rest)
        time.sleep(0.3)

    monkeypatch.setattr(module, "_write", slowly)

    def make():
        barrier.wait()
        readers.put(read(tokenised(text, SIZE)) == PAIRS)

    processes = [child(make) for _ in range(3)]
    assert [readers.get(timeout=60) for _ in processes] == [True] * 3
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert makers.get(timeout=1) in {process.pid for process in processes}
    assert makers.empty()
    assert digests(root) == expected


@pytest.mark.parametrize("moment", ["subwords.model", "de.bounds.npy", "en.bounds.npy"])
def test_a_killed_maker_leaves_nothing_that_the_next_takes_for_whole(root, text, expected, monkeypatch, moment):
    """Killed when it has written the vocabulary, the ids, or all but the last step."""
    reached = FORK.Event()
    save, model = np.save, Path.write_bytes

    def stop(path):
        if Path(path).name == moment:
            reached.set()
            time.sleep(60)

    def make():
        monkeypatch.setattr(np, "save", lambda path, *rest: (save(path, *rest), stop(path)))
        monkeypatch.setattr(Path, "write_bytes", lambda path, content: (model(path, content), stop(path)))
        tokenised(text, SIZE)

    maker = child(make)
    assert reached.wait(60)
    os.kill(maker.pid, signal.SIGKILL)
    maker.join(60)
    left = digests(root)
    assert any(name.endswith(moment) for name in left), "it was in the middle"
    assert read(tokenised(text, SIZE)) == PAIRS
    now = digests(root)
    assert {name: now[name] for name in expected} == expected
    assert not set(left).intersection(name for name in expected if not name.endswith(".lock"))


def in_a_child(call):
    """What a forked process answers."""
    answers = FORK.Queue()
    child(lambda: answers.put(call()))
    return answers.get(timeout=60)


def test_maps_are_read_by_a_forked_process_and_by_one_that_unpickles_them(root, text):
    found = tokenised(text, SIZE)
    found.lengths, text.pair(0)
    assert in_a_child(lambda: read(found)) == PAIRS
    assert in_a_child(lambda: [text.pair(place) for place in range(len(text))]) == PAIRS
    assert read(pickle.loads(pickle.dumps(found))) == PAIRS


def test_parquet_is_tokenised_alike_and_read_by_a_forked_process(root, tmp_path, text, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    features = datasets.Features(translation=datasets.Translation(("de", "en")))
    (tmp_path / "shards").mkdir()
    for place, part in enumerate((PAIRS[:60], PAIRS[60:])):
        rows = {"translation": [{"de": german, "en": english} for german, english in part]}
        file = tmp_path / "shards" / f"train-0000{place}-of-00002.parquet"
        datasets.Dataset.from_dict(rows, features=features).to_parquet(file)
    rows = open_training(str(tmp_path / "shards"))
    rows.pair(0)
    assert in_a_child(lambda: [rows.pair(place) for place in range(len(rows))]) == PAIRS
    assert [pickle.loads(pickle.dumps(rows)).pair(place) for place in range(len(rows))] == PAIRS
    plain, other = tokenised(text, SIZE), tokenised(rows, SIZE)
    assert other.subwords.model == plain.subwords.model
    for one, two in zip(plain.columns, other.columns, strict=True):
        assert (one.ids.tolist(), one.bounds.tolist()) == (two.ids.tolist(), two.bounds.tolist())
