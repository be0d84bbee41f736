"""What any network that translates must do, the Transformer and GNMT alike."""

import pytest
import torch
from torch.nn import functional

from lightning_modules.beam_search import BeamSearch, search
from lightning_modules.networks.gnmt import Gnmt
from lightning_modules.networks.transformer import Transformer

SUBWORDS, BEGIN = 13, 1
COUNTS = [7, 4, 1, 5]


def transformer(**changes):
    torch.manual_seed(0)
    sizes = {"width": 16, "heads": 4, "feedforward": 24, "layers": 2, "dropout": 0.0}
    return livened(Transformer(SUBWORDS, **(sizes | changes)).eval())


def gnmt(**changes):
    """With weights large enough that the source and the tokens before matter."""
    torch.manual_seed(0)
    return livened(Gnmt(SUBWORDS, **({"width": 16, "layers": 4, "dropout": 0.0} | changes)).eval())


def livened(found):
    """Values other than 0 and 1 in biases and norms, or a test would not see them."""
    with torch.no_grad():
        for weight in found.parameters():
            if weight.dim() < 2:
                weight.add_(torch.randn(weight.shape) * 0.3)
    return found


def texts(length=6):
    """Sources, padded with 0, and targets from the begin symbol on."""
    generator = torch.Generator().manual_seed(1)
    source = torch.randint(3, SUBWORDS, (len(COUNTS), max(COUNTS)), generator=generator)
    for row, count in zip(source, COUNTS, strict=True):
        row[count:] = 0
    target = torch.randint(3, SUBWORDS, (len(COUNTS), length), generator=generator)
    target[:, 0] = BEGIN
    return source, target


@pytest.fixture(params=[transformer, gnmt])
def network(request):
    return request.param


@pytest.mark.parametrize("width", [1, 3])
@torch.no_grad()
def test_a_step_is_what_the_whole_prefix_gives(network, width):
    """Of each of several hypotheses a sentence, step by step and after a reordering."""
    found = network()
    source, _ = texts()
    memory = found.encode(source, COUNTS)
    state = taken(found.begin(memory), torch.arange(len(COUNTS)).repeat_interleave(width))
    repeated = source.repeat_interleave(width, dim=0)
    counts = [count for count in COUNTS for _ in range(width)]
    generator = torch.Generator().manual_seed(3)
    tokens = torch.full((len(counts), 1), BEGIN)
    for _ in range(5):
        log_probabilities, attention, state = found.step(tokens[:, -1], state, memory)
        assert log_probabilities.dtype == torch.float32
        expected = found(repeated, counts, tokens)[:, -1].log_softmax(dim=1)
        torch.testing.assert_close(log_probabilities, expected, atol=1e-5, rtol=1e-5)
        if attention is not None:
            whole = found.attention(repeated, counts, tokens)[:, -1]
            torch.testing.assert_close(attention, whole, atol=1e-5, rtol=1e-5)
        within = torch.randint(width, (len(COUNTS), width), generator=generator)  # some twice, some not at all
        rows = (within + width * torch.arange(len(COUNTS))[:, None]).flatten()
        state = taken(state, rows)
        more = torch.randint(3, SUBWORDS, (len(rows), 1), generator=generator)
        tokens = torch.cat([tokens[rows], more], dim=1)
    assert len(tokens.unique(dim=0)) == len(tokens), "no two hypotheses are alike"


def taken(state, rows):
    return tuple((first[rows], second[rows]) for first, second in state)


@torch.no_grad()
def test_padding_and_neighbours_change_nothing(network):
    """Neither how much of it there is, nor what stands in it, nor the other sentences."""
    found = network()
    source, target = texts()
    logits = found(source, COUNTS, target)
    wider = functional.pad(source, (0, 3), value=5)
    torch.testing.assert_close(found(wider, COUNTS, target), logits, atol=1e-5, rtol=1e-5)
    longer = found(source, COUNTS, functional.pad(target, (0, 4)))
    torch.testing.assert_close(longer[:, : target.shape[1]], logits, atol=1e-5, rtol=1e-5)
    for row, count in enumerate(COUNTS):
        alone = found(source[row : row + 1, :count], [count], target[row : row + 1])
        torch.testing.assert_close(logits[row], alone[0], atol=1e-5, rtol=1e-5)
    assert (logits[0, 1:] - logits[1, 1:]).abs().max() > 0.1, "the source matters"


@torch.no_grad()
def test_attention_is_a_distribution_over_the_source(network):
    source, target = texts()
    weights = network().attention(source, COUNTS, target)
    assert (weights.shape, weights.dtype) == ((4, 6, 7), torch.float32)
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(4, 6))
    for row, count in zip(weights, COUNTS, strict=True):
        assert (row[:, :count] > 0).all()
        assert not row[:, count:].any()


def test_autocast(network):
    """In bfloat16 much the same; what search reads stays float32, and gradients reach all weights."""
    found = network()
    source, target = texts()
    logits = found(source, COUNTS, target)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        near = found(source, COUNTS, target)
        memory = found.encode(source, COUNTS)
        log_probabilities, _, state = found.step(target[:, 0], found.begin(memory), memory)
        assert log_probabilities.dtype == torch.float32
        following, _, _ = found.step(target[:, 1], state, memory)
    assert near.dtype == torch.bfloat16
    torch.testing.assert_close(near.float(), logits, atol=0.15, rtol=0.05)
    torch.testing.assert_close(log_probabilities, logits[:, 0].log_softmax(dim=1), atol=0.15, rtol=0.05)
    torch.testing.assert_close(following, logits[:, 1].log_softmax(dim=1), atol=0.15, rtol=0.05)
    near.float().square().mean().backward()
    for name, weight in found.named_parameters():
        assert weight.grad.dtype == torch.float32
        assert weight.grad.abs().sum() > 0, name


def of_other_words():
    """The last norm is turned round: one matrix reads and writes tokens, so that a random network repeats itself."""
    torch.manual_seed(2)
    found = Transformer(SUBWORDS, 16, 4, 24, 2, 0.0).eval()
    found.decoder[-1].feedforward_sum.norm.weight.neg_()
    return found


@pytest.mark.parametrize(
    ("network", "beam", "coverage", "end"),
    [(gnmt, beam, 0.1, end) for beam, end in ((1, 2), (1, 6), (2, 6), (4, 2), (4, 11))]
    + [(of_other_words, beam, 0.0, end) for beam, end in ((1, 2), (1, 12), (2, 5), (4, 2), (4, 8))],
)
@torch.no_grad()
def test_search(network, beam, coverage, end):
    """A batch gives what its sentences give one by one, and a beam of one is greedy."""
    found, settings = network(), BeamSearch(beam, 0.6, coverage)
    source, _ = texts()
    longest = [9, 8, 5, 7]
    together = searched(found, source, COUNTS, end, longest, settings)
    for row, count in enumerate(COUNTS):
        one = source[row : row + 1, :count]
        assert searched(found, one, [count], end, longest[row : row + 1], settings) == [together[row]]
        if settings.beam == 1:
            assert together[row] == greedily(found, one, count, end, longest[row])
    assert len(set(map(tuple, together))) > 2, "they differ, so that a wrong memory shows"


def searched(found, source, counts, end, longest, settings):
    memory = found.encode(source, counts)
    padding = torch.arange(source.shape[1]) >= torch.tensor(counts)[:, None]
    return search(found.step, found.begin(memory), memory, BEGIN, end, longest, settings, padding)


def greedily(found, source, count, end, longest):
    tokens = [BEGIN]
    while len(tokens) <= longest and tokens[-1] != end:
        tokens.append(int(found(source, [count], torch.tensor([tokens]))[0, -1].argmax()))
    return [token for token in tokens[1:] if token != end]
