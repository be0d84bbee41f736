"""Beam search over CTC's output: the words that the best path spells, however many frames its pieces take."""

import sys
from importlib.util import find_spec
from itertools import permutations
from random import Random

import pytest
import torch
from torchaudio.functional import forced_align

from benchmarks.errors import UserError
from datamodules.subwords import BLANK, Subwords
from lightning_modules.ctc_beam_search import CTCBeamSearch
from tests.lightning_modules.arpa import arpa

WORDS = ["SEA", "SEE", "SEAS", "A", "TREES", "TREE"]


def test_a_missing_decoder_is_said_before_the_file_is_looked_at(monkeypatch):
    monkeypatch.setitem(sys.modules, "flashlight", None)
    with pytest.raises(UserError, match=r"flashlight-text, which has no wheel for Python 3\.\d+\. Install with"):
        CTCBeamSearch("no such file").check()


@pytest.fixture(scope="module")
def subwords():
    return Subwords.for_recognition([" ".join(WORDS), "SEA TREE", "TREES SEE A SEAS"], 10)


@pytest.fixture(scope="module")
def beam(subwords, tmp_path_factory):
    """The language model says which words there are, and no more."""
    found = CTCBeamSearch(str(arpa(tmp_path_factory.mktemp("model") / "words.arpa", WORDS)), weight=0)
    found.load(subwords)
    return found


def heard(pieces, size, frames, noise):
    """Log probabilities [1, T, V] of a recogniser that hears each piece for so many frames, and blanks between."""
    path = []
    for piece in pieces:
        path += [BLANK] * ((bool(path) and path[-1] == piece) or noise.random() < 0.3)
        path += [piece] * frames(noise)
    found = torch.rand(1, len(path), size, generator=torch.Generator().manual_seed(noise.randrange(1000)))
    found[0, range(len(path)), path] += 5
    return found.log_softmax(2)


def likeliest(log_probabilities, subwords):
    """Of all sentences of up to three different words the one with the best path, by torchaudio's alignment."""
    scores = {}
    for words in (" ".join(each) for count in (1, 2, 3) for each in permutations(WORDS, count)):
        target = torch.tensor([subwords.encode(words)])
        repeats = int((target[0, 1:] == target[0, :-1]).sum())
        if target.shape[1] + repeats <= log_probabilities.shape[1]:
            scores[words] = forced_align(log_probabilities, target, blank=BLANK)[1].sum().item()
    return max(scores, key=scores.__getitem__)


@pytest.mark.skipif(find_spec("flashlight") is None, reason="flashlight-text has no wheel here")
@pytest.mark.parametrize("frames", [1, 2, 3, "1 to 3"])
def test_the_words_of_the_best_path_are_found_however_long_a_piece_is_heard(beam, subwords, frames):
    noise = Random(0)
    several = (lambda noise: noise.randint(1, 3)) if frames == "1 to 3" else lambda noise: frames
    for _ in range(20):
        words = " ".join(noise.sample(WORDS, noise.randint(1, 3)))
        said = heard(subwords.encode(words), len(subwords.pieces), several, noise)
        assert beam.decoded(said, [said.shape[1]]) == [likeliest(said, subwords)] == [words]
