"""Beam search against exhaustive search, greedy decoding and hand-worked scores."""

import itertools
import math

import pytest
import torch

from lightning_modules.beam_search import BeamSearch, search

BEGIN, END, VOCABULARY = 0, 1, 4  # tokens 2 and 3 are words


def table(seed, longest=5):
    """Log probabilities of the next token by position and the two before: [sentences, position, before, last, next]."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, longest, VOCABULARY, VOCABULARY, VOCABULARY, generator=generator) * 1.5
    logits[..., BEGIN] = -torch.inf
    return logits.log_softmax(dim=4)


def stepper(probabilities, attention=None):
    """A model that reads its sentence from the memory, its position and the token before the last from the state.

    So a wrong order of the hypotheses shows, and memory that was left out or copied for them.
    """

    def step(last, state, memory):
        sentence = memory["sentence"]
        assert len(last) % len(sentence) == 0
        assert len(state["place"][1]) == len(last)
        sentence = sentence.repeat_interleave(len(last) // len(sentence))
        position, before = state["place"]
        found = probabilities[sentence, position, before, last]
        attended = None if attention is None else attention[sentence, position, last]
        return found, attended, {"place": (position + 1, last)}

    return step


def beginning(*sentences):
    start = torch.zeros(len(sentences), dtype=torch.int64)
    return {"place": (start, start + BEGIN)}, {"sentence": torch.tensor(sentences), "nothing": None}


def found_by(probabilities, settings, longest=5, **more):
    model = stepper(probabilities, **more.pop("model", {}))
    return search(model, *beginning(0, 1, 2), BEGIN, END, [longest] * 3, settings, **more)


def probability(probabilities, sentence, tokens):
    """Of a finished hypothesis."""
    path = [BEGIN, BEGIN, *tokens, END]
    places = enumerate(zip(path, path[1:], path[2:], strict=False))
    return sum(probabilities[sentence, place, a, b, c].item() for place, (a, b, c) in places)


def by_exhaustion(probabilities, sentence, alpha, longest):
    """The best of all hypotheses of at most `longest` tokens, the end counted."""
    every = (words for length in range(longest) for words in itertools.product((2, 3), repeat=length))
    return list(max(every, key=lambda w: probability(probabilities, sentence, w) / ((6 + len(w)) / 6) ** alpha))


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0, 2.0])
@pytest.mark.parametrize("seed", range(6))
def test_a_beam_as_wide_as_the_space_is_exhaustive(seed, alpha):
    probabilities = table(seed)
    expected = [by_exhaustion(probabilities, sentence, alpha, 5) for sentence in range(3)]
    assert found_by(probabilities, BeamSearch(64, alpha)) == expected


def test_the_penalty_matters_in_these_examples():
    """Or the test above would not see a wrong one."""
    one, other = ([by_exhaustion(table(s), i, alpha, 5) for s in range(6) for i in range(3)] for alpha in (0.0, 2.0))
    assert sum(a != b for a, b in zip(one, other, strict=True)) > 3


def greedily(probabilities, sentence, longest):
    tokens = [BEGIN, BEGIN]
    for place in range(longest):
        tokens.append(int(probabilities[sentence, place, tokens[-2], tokens[-1]].argmax()))
        if tokens[-1] == END:
            return tokens[2:-1]
    return tokens[2:]


@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.0])
@pytest.mark.parametrize("seed", range(8))
def test_a_beam_of_one_is_greedy(seed, alpha):
    probabilities = table(seed)
    assert found_by(probabilities, BeamSearch(1, alpha)) == [greedily(probabilities, each, 5) for each in range(3)]


@pytest.mark.parametrize("beam", [1, 2, 3, 5])
@pytest.mark.parametrize("seed", range(6))
def test_a_sentence_does_not_depend_on_its_batch(seed, beam):
    probabilities, settings = table(seed), BeamSearch(beam, 0.6)
    together = search(stepper(probabilities), *beginning(0, 1, 2), BEGIN, END, [5, 2, 4], settings)
    for sentence, longest in enumerate((5, 2, 4)):
        alone = search(stepper(probabilities), *beginning(sentence), BEGIN, END, [longest], settings)
        assert alone == [together[sentence]]
        assert len(together[sentence]) <= longest


def test_memory_is_of_the_sentences_and_never_reordered():
    """With a beam of 3, three sentences are read from three rows of memory; the second leaves after two tokens."""
    seen = []
    probabilities = table(0)
    probabilities[..., END] = -torch.inf

    def watched(last, state, memory):
        seen.append((len(last), memory["sentence"].tolist()))
        return stepper(probabilities)(last, state, memory)

    search(watched, *beginning(0, 1, 2), BEGIN, END, [5, 2, 4], BeamSearch(3))
    assert seen == [(9, [0, 1, 2])] * 2 + [(6, [0, 2])] * 2 + [(3, [0])]


def test_memory_that_is_not_selected_is_not_copied():
    memories = []

    def watched(last, state, memory):
        memories.append(memory["sentence"])
        return stepper(table(1))(last, state, memory)

    state, memory = beginning(0, 1, 2)
    search(watched, state, memory, BEGIN, END, [1, 1, 1], BeamSearch(2))
    assert memories[0] is memory["sentence"]


def impossible():
    return torch.full((3, 5, VOCABULARY, VOCABULARY, VOCABULARY), -torch.inf)


def test_the_end_symbol_counts_as_a_token():
    """Ending at once: -1 / (6/6); after a word: -1.2 / (7/6) = -1.03. Uncounted they would be -1.2 and -1.2 / 1."""
    probabilities = impossible()
    probabilities[:, 0, ..., END], probabilities[:, 0, ..., 2] = -1.0, -1.1
    probabilities[:, 1, ..., END] = -0.1
    assert found_by(probabilities, BeamSearch(2, 1.0)) == [[]] * 3
    probabilities[:, 1, ..., END] = -0.05  # -1.15 / (7/6) = -0.986; without the end symbol -1.2 against -1.15
    assert found_by(probabilities, BeamSearch(2, 1.0)) == [[2]] * 3
    probabilities[:, 0, ..., END] = -0.97  # now -0.97; without the end symbol -1.164 against -1.15
    assert found_by(probabilities, BeamSearch(2, 1.0)) == [[]] * 3


def test_a_beam_of_one_stops_where_the_end_is_likeliest():
    """Though a strong length penalty would make the longer hypothesis, -0.8 / (7/6), the better one."""
    probabilities = impossible()
    probabilities[:, 0, ..., END], probabilities[:, 0, ..., 2] = -0.7, -0.71
    probabilities[:, 1, ..., END] = -0.01
    assert found_by(probabilities, BeamSearch(1, 1.0)) == [[]] * 3
    assert found_by(probabilities, BeamSearch(2, 1.0)) == [[2]] * 3


def test_a_longer_hypothesis_is_waited_for_as_long_as_its_length_could_make_it_the_better_one():
    """Ending at once: -1; after a word, the last that there is room for, surely: -1.15 / (7/6) = -0.986."""
    probabilities = impossible()
    probabilities[:, 0, ..., END], probabilities[:, 0, ..., 2] = -1.0, -1.15
    probabilities[:, 1, ..., END] = 0.0
    assert found_by(probabilities, BeamSearch(2, 1.0), longest=2) == [[2]] * 3


def test_an_unfinished_hypothesis_never_beats_a_finished_one():
    """Word 2 for ever is nearly certain; ending at once is not likely, but it is the only end within the length."""
    probabilities = impossible()
    probabilities[..., 2] = math.log(0.99)
    probabilities[:, 0, ..., END] = math.log(0.01)
    assert found_by(probabilities, BeamSearch(2)) == [[], [], []]
    assert found_by(probabilities, BeamSearch(1)) == [[2] * 5] * 3, "nothing ends within a beam of one"


def test_scores_by_hand():
    """Equation 14 of Wu et al.: log P / ((5 + |Y|)^a / 6^a) + b sum log min(coverage, 1)."""
    log_probability = torch.tensor([-3.0])
    assert BeamSearch(4, 0.0).scores(log_probability, 7).item() == -3.0
    assert BeamSearch(4, 1.0).scores(log_probability, 7).item() == pytest.approx(-1.5)
    assert BeamSearch(4, 0.6).scores(log_probability, 7).item() == pytest.approx(-3 / 2**0.6)
    covered = torch.tensor([[0.5, 2.0, 0.25]])
    expected = -1.5 + 0.2 * (math.log(0.5) + math.log(0.25))
    assert BeamSearch(4, 1.0, 0.2).scores(log_probability, 7, covered).item() == pytest.approx(expected)
    assert BeamSearch(4, 1.0, 0.0).scores(log_probability, 7, covered).item() == pytest.approx(-1.5)


def test_coverage_prefers_the_hypothesis_that_has_seen_the_source():
    """Word 2 is a little likelier, but 3 looks at both source positions and 2 at one of them twice."""
    probabilities = impossible()
    probabilities[:, 0, ..., 2], probabilities[:, 0, ..., 3] = math.log(0.51), math.log(0.49)
    # The two change places twice, and what each has seen must move along: 0.459 and 0.49, then 0.459 and 0.441.
    probabilities[:, 1, :, 2, 3], probabilities[:, 1, :, 3, 3] = math.log(0.9), 0.0
    probabilities[:, 2, 2, :, END], probabilities[:, 2, 3, :, END] = 0.0, math.log(0.9)
    attention = torch.zeros(3, 5, VOCABULARY, 3)
    attention[:, 0, :, 0] = 1.0
    attention[:, 1, 2, 0] = 1.0
    attention[:, 1, 3, 1] = 1.0
    attention[:, 2, :, 0] = 1.0
    padding = torch.tensor([[False, False, True]]).expand(3, 3)
    model = {"attention": attention}
    assert found_by(probabilities, BeamSearch(2), model=model) == [[2, 3]] * 3
    assert found_by(probabilities, BeamSearch(2, 0.0, 0.1), model=model, padding=padding) == [[3, 3]] * 3
