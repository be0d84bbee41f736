"""Recordings: each is measured once, whoever opens them, and again once it has changed; so are subwords learnt."""

import multiprocessing
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import soundfile

from benchmarks.errors import UserError
from datamodules import columns
from datamodules import recordings as module
from datamodules.layouts import audio
from datamodules.layouts.librispeech import open_split
from datamodules.recordings import Recordings, learn_once
from datamodules.subwords import Subwords
from tests.datamodules.librispeech_trees import RATE, chapter_of, transcripts_of, write_tree

REPOSITORY = Path(__file__).parents[2]
FORK = multiprocessing.get_context("fork")
SPOKEN = {f"61-70968-{number:04d}": "HE BEGAN A CONFUSED COMPLAINT" for number in range(6)}
FIRST, SECOND, *_ = SPOKEN


@pytest.fixture
def measured(monkeypatch):
    """The files whose headers are read."""
    found, look = [], audio._measured
    monkeypatch.setattr(audio, "_measured", lambda path: found.append(path.stem) or look(path))
    return found


@pytest.fixture
def tree(tmp_path, monkeypatch, measured):
    """Six utterances of half a second, measured once."""
    monkeypatch.setattr(module, "ROOT", tmp_path / "root")
    write_tree(tmp_path, {"dev-clean": SPOKEN})
    assert counts(tmp_path) == [RATE // 2] * 6
    assert sorted(measured) == [*SPOKEN]
    measured.clear()
    return tmp_path


def opened(tree):
    return Recordings([open_split(str(tree), "dev-clean")])


def counts(tree):
    """Samples of each, which are those that the files have at this moment."""
    found = opened(tree)
    assert found.samples.dtype == np.int64
    assert found.samples.tolist() == [soundfile.info(path).frames for path in found.paths]
    return found.samples.tolist()


def audio_of(tree, utterance):
    return chapter_of(tree, "dev-clean", utterance) / f"{utterance}.flac"


def test_no_header_is_read_twice(tree, measured):
    for _ in range(2):
        assert counts(tree) == [RATE // 2] * 6
    assert not measured


def lengthen(tree):
    soundfile.write(audio_of(tree, FIRST), np.zeros(9_000, np.int16), RATE, subtype="PCM_16")


def claim(tree):
    """Its header says another number of samples, at the same size, and its time is set back."""
    claim_in(audio_of(tree, FIRST), audio_of(tree, FIRST))


def put_in_its_place(tree):
    """The same in another file, which takes the place of this one."""
    claim_in(tree / "other.flac", audio_of(tree, FIRST))
    (tree / "other.flac").replace(audio_of(tree, FIRST))


def claim_in(file, original):
    before, content = original.stat(), bytearray(original.read_bytes())
    content[22:26] = (9_000).to_bytes(4, "big")  # the lower bits of STREAMINFO's total
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


def link(tree):
    other = tree / "other.flac"
    soundfile.write(other, np.zeros(9_000, np.int16), RATE, subtype="PCM_16")
    audio_of(tree, FIRST).unlink()
    audio_of(tree, FIRST).symlink_to(other)


@pytest.mark.parametrize("change", [lengthen, claim, put_in_its_place, link])
def test_a_recording_that_changed_is_measured_again(tree, measured, change):
    change(tree)
    assert counts(tree) == [9_000, *[RATE // 2] * 5]
    assert measured
    measured.clear()
    assert counts(tree) == [9_000, *[RATE // 2] * 5]
    assert not measured


def test_two_recordings_that_change_places_take_their_lengths_along(tree):
    lengthen(tree)
    counts(tree)
    for source, target in ((FIRST, "x"), (SECOND, FIRST), ("x", SECOND)):
        audio_of(tree, FIRST).with_name(f"{source}.flac").rename(audio_of(tree, FIRST).with_name(f"{target}.flac"))
    assert counts(tree) == [RATE // 2, 9_000, *[RATE // 2] * 4]


def test_another_utterance_changes_the_lengths(tree):
    write_tree(tree, {"dev-clean": {"61-70968-0009": "GO"}}, seconds=1)
    assert counts(tree) == [*[RATE // 2] * 6, RATE]


@pytest.mark.parametrize("content", [b"", b"once a recording"])
def test_a_recording_that_broke_is_refused_at_every_start_until_it_is_mended(tree, content):
    whole = audio_of(tree, FIRST).read_bytes()
    audio_of(tree, FIRST).write_bytes(content)
    for _ in range(2):
        with pytest.raises(UserError, match=f"{FIRST}.flac is no audio file .*; 1 of 6 files of dev-clean are broken"):
            opened(tree)
    audio_of(tree, FIRST).write_bytes(whole)
    assert counts(tree) == [RATE // 2] * 6


def test_processes_that_begin_at_once_measure_them_once(tree, monkeypatch):
    shutil.rmtree(tree / "root")
    barrier, makers, found, look = FORK.Barrier(3), FORK.Queue(), FORK.Queue(), audio.count_samples

    def count(*arguments):
        makers.put(os.getpid())
        return look(*arguments)

    def opens():
        barrier.wait()
        found.put(opened(tree).samples.tolist())

    monkeypatch.setattr(audio, "count_samples", count)
    processes = [FORK.Process(target=opens, daemon=True) for _ in range(3)]
    for process in processes:
        process.start()
    assert [found.get(timeout=60) for _ in processes] == [[RATE // 2] * 6] * 3
    assert makers.get(timeout=1) in {process.pid for process in processes}
    assert makers.empty()


MANY = 6_000


# Prints how many bytes a forked process shares with no other one more, once it has read all in some order.
WORKER = """
import gc, os, re, sys
from pathlib import Path
import numpy as np
from datamodules import recordings
from datamodules.layouts.librispeech import open_split
from datamodules.librispeech import TrainingUtterances
from datamodules.subwords import Subwords

def own_memory():
    return 1024 * int(re.search(r"Private_Dirty: +(\\d+) kB", Path("/proc/self/smaps_rollup").read_text())[1])

recordings.ROOT = Path("root")
opened = recordings.Recordings([open_split(".", "dev-clean")])
examples = TrainingUtterances(opened, Subwords(Path(sys.argv[1]).read_bytes()), seed=0)
order = np.random.default_rng(0).permutation(len(opened))
if os.fork():
    sys.exit(os.wait()[1])
for _ in range(100):
    examples[0, 0]
gc.collect()  # which writes to all that it looks at
before = own_memory()
for index in order:
    examples[0, int(index)]
print(own_memory() - before)
"""


@pytest.mark.slow
def test_a_worker_copies_nothing_of_what_it_reads(tmp_path, learnt):
    """As Python's strings and paths they took some 420 bytes an utterance, in each of up to 96 workers of a machine."""
    write_tree(tmp_path, {"dev-clean": {FIRST: "THE TREE"}}, seconds=0.01)
    lines = [f"61-70968-{number:04d} {' THE TREE BY THE SEA' * 9}\n" for number in range(MANY)]
    transcripts_of(tmp_path, "dev-clean", FIRST).write_text("".join(lines))
    for number in range(1, MANY):
        audio_of(tmp_path, f"61-70968-{number:04d}").hardlink_to(audio_of(tmp_path, FIRST))
    (model,) = (tmp_path / "root").rglob(columns.MODEL)
    assert int(said_by(WORKER, tmp_path, model)) / MANY < 100


def said_by(code, folder, *arguments):
    """What a new process prints that runs the code in a folder."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "PYTHONHASHSEED": "11"}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, env=environment, check=True, cwd=folder, capture_output=True, text=True).stdout


TEXTS = ("THE SEA AND THE TREE", "A TREE BY THE SEA", "HE SAID THE STONE IS SET")
SIZE = 18


@pytest.fixture
def learnt(tmp_path, monkeypatch):
    """The vocabulary of TEXTS, and how many are learnt from now on."""
    monkeypatch.setattr(columns, "ROOT", tmp_path / "root")
    found, learnt, train = learn_once(TEXTS, SIZE), [], Subwords.for_recognition
    monkeypatch.setattr(Subwords, "for_recognition", lambda *arguments: learnt.append(1) or train(*arguments))
    return found, learnt


def test_a_vocabulary_is_learnt_once_for_transcripts_and_a_size(learnt, monkeypatch):
    found, more = learnt
    assert found.model == Subwords.for_recognition(TEXTS, SIZE).model
    more.clear()
    for texts in (TEXTS, list(TEXTS)):
        assert learn_once(texts, SIZE).model == found.model
    assert not more
    assert len(learn_once(TEXTS, SIZE + 1).pieces) == SIZE + 1
    for texts in (TEXTS[::-1], (*TEXTS[:2], f"{TEXTS[2]} UP")):
        learn_once(texts, SIZE)
    assert len(more) == 3
    monkeypatch.setattr(sentencepiece, "__version__", "another")
    assert learn_once(TEXTS, SIZE).model == found.model
    assert len(more) == 4


def test_a_second_process_reads_the_same_vocabulary(learnt, tmp_path):
    """And learns it bit for bit where it finds none."""
    found, _ = learnt
    code = (
        "import sys; from pathlib import Path; from datamodules import columns, recordings;"
        "columns.ROOT = Path(sys.argv[1]);"
        "sys.stdout.write(recordings.learn_once(sys.argv[3:], int(sys.argv[2])).model.hex())"
    )
    for there, says in (("root", ""), ("elsewhere", "learning 18 subwords from 3 transcripts (once)\n")):
        out = said_by(code, tmp_path, tmp_path / there, SIZE, *TEXTS)
        assert out == says + found.model.hex()


def test_transcripts_too_few_for_the_subwords_are_refused_and_nothing_is_kept(learnt):
    for _ in range(2):
        with pytest.raises(UserError, match=r"gives no 5000 subwords .*lower data.init_args.subwords"):
            learn_once(TEXTS, 5_000)
