"""The Transformer against torch's and the paper; and what any translating network must do, for test_gnmt.py too."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from lightning_modules.networks.attention import present
from lightning_modules.networks.transformer import USUAL, Transformer, sinusoids
from lightning_modules.search import Search, search

SUBWORDS, BEGIN = 13, 1
COUNTS = [7, 4, 1, 5]


def network(**changes):
    torch.manual_seed(0)
    sizes = {"width": 16, "heads": 4, "feedforward": 24, "layers": 2, "dropout": 0.0}
    return livened(Transformer(SUBWORDS, **(sizes | changes)).eval())


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


def by_torch(ours):
    """torch.nn.Transformer with the same weights; it has a norm more after each stack, which the paper has not."""
    width, layers = ours.embedding.embedding_dim, len(ours.decoder)
    theirs = nn.Transformer(width, 4, layers, layers, 24, 0.0, batch_first=True)
    theirs.encoder.norm = theirs.decoder.norm = None

    def copy(source, target):
        target.load_state_dict(source.state_dict())

    def copy_attention(queries_keys_values, output, target):
        target.in_proj_weight = nn.Parameter(torch.cat([each.weight for each in queries_keys_values]))
        target.in_proj_bias = nn.Parameter(torch.cat([each.bias for each in queries_keys_values]))
        copy(output, target.out_proj)

    others = [*theirs.encoder.layers, *theirs.decoder.layers]
    for mine, other in zip([*ours.encoder, *ours.decoder], others, strict=True):
        copy_attention([mine.within.project], mine.within.output, other.self_attn)
        copy(mine.feedforward[0], other.linear1)
        copy(mine.feedforward[2], other.linear2)
        norms = [mine.within_sum.norm, mine.feedforward_sum.norm]
        if hasattr(mine, "across"):
            copy_attention([mine.across.query, mine.across.key_value], mine.across.output, other.multihead_attn)
            norms.insert(1, mine.across_sum.norm)
        for place, norm in enumerate(norms, start=1):
            copy(norm, getattr(other, f"norm{place}"))
    return theirs.double()


def test_logits_are_torchs():
    ours = network().double()
    theirs, matrix = by_torch(ours), ours.embedding.weight
    source, target = texts()
    padding = source == 0
    causal = nn.Transformer.generate_square_subsequent_mask(target.shape[1], dtype=torch.float64)

    def embedded(tokens):
        return 4 * matrix[tokens] + ours.positions[: tokens.shape[1]]

    decoded = theirs.train()(  # in training, or it takes a fast path of its own
        embedded(source), embedded(target), tgt_mask=causal, src_key_padding_mask=padding,
        memory_key_padding_mask=padding,
    )  # fmt: skip
    torch.testing.assert_close(ours(source, COUNTS, target), decoded @ matrix.T, atol=1e-10, rtol=1e-10)


def test_positions_are_the_papers():
    """PE(p, 2i) = sin(p / 10000^(2i/d)), PE(p, 2i+1) = cos of the same: for d = 4 the divisors are 1 and 100."""
    found = sinusoids(101, 4)
    assert found[0].tolist() == [0, 1, 0, 1]
    assert found[1].tolist() == pytest.approx([0.841471, 0.540302, 0.0099998, 0.99995], abs=1e-6)
    assert found[100].tolist() == pytest.approx([-0.506366, 0.862319, 0.841471, 0.540302], abs=1e-6)
    assert sinusoids(3, 512)[2, 257].item() == pytest.approx(math.cos(2 / 10_000 ** (256 / 512)))


def test_first_weights():
    found = Transformer(1000, 256, 4, 1024, 1, 0.1)
    assert found.embedding.weight.std().item() == pytest.approx(1 / 16, rel=0.02)
    layer = found.decoder[0]
    bounds = {  # Glorot and Bengio: sqrt(6 / (inputs + outputs)), for 256 and 256 or 256 and 1024
        layer.within.output: (6 / 512) ** 0.5, layer.feedforward[0]: (6 / 1280) ** 0.5,
        layer.within.project: (6 / 1024) ** 0.5, layer.across.key_value: (6 / 1024) ** 0.5,
        layer.across.query: (6 / 1024) ** 0.5,
    }  # fmt: skip
    for linear, bound in bounds.items():
        assert linear.weight.abs().max().item() == pytest.approx(bound, rel=0.001)
        assert not linear.bias.any()


def test_dropout_is_on_the_sums_alone(monkeypatch):
    """Section 5.4: once for each text's embedding, twice a layer of the encoder, three times the decoder's."""
    seen = []
    original = functional.dropout
    monkeypatch.setattr(functional, "dropout", lambda x, p, *rest: seen.append((x.shape[1:], p)) or original(x, p))
    source, target = texts()
    network(dropout=0.25).train()(source, COUNTS, target)
    assert seen == [((7, 16), 0.25)] * 5 + [((6, 16), 0.25)] * 7


def test_no_mask_where_nothing_is_padded():
    source, _ = texts()
    assert present([7, 7, 7, 7], source) is None
    assert present([7, 2, 7, 7], source).sum(dim=1).tolist() == [7, 2, 7, 7]


def test_a_text_may_be_longer_than_usual():
    found, tokens = network(), torch.randint(1, SUBWORDS, (1, USUAL + 3))
    with torch.no_grad():
        known = found(tokens[:, :5], [5], tokens)
        found.positions = sinusoids(USUAL + 3, 16)
        torch.testing.assert_close(known, found(tokens[:, :5], [5], tokens))
        assert not torch.equal(known[:, USUAL], known[:, USUAL + 1])


def test_attention_of_the_last_layer_by_hand(monkeypatch):
    """The mean over heads of what torch says of the last layer's second attention."""
    ours = network().double()
    theirs = by_torch(ours).decoder.layers[-1]
    seen = []
    monkeypatch.setattr(ours.decoder[-1].across, "weights", lambda target, *_: seen.append(target))
    source, target = texts()
    ours.attention(source, COUNTS, target)
    monkeypatch.undo()
    encoded = []
    ours.encoder[-1].register_forward_hook(lambda *given: encoded.append(given[-1]))
    found = ours.attention(source, COUNTS, target)
    _, expected = theirs.multihead_attn(seen[0], encoded[0], encoded[0], key_padding_mask=source == 0)
    torch.testing.assert_close(found.double(), expected, atol=1e-6, rtol=1e-6)


def check_incremental(found, width):
    """Of each of several hypotheses a sentence, step by step and after a reordering, what the whole prefix gives."""
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


def check_padding_changes_nothing(found):
    """Neither how much of it there is, nor what stands in it, nor the other sentences."""
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


def check_attention_is_a_distribution(found):
    source, target = texts()
    weights = found.attention(source, COUNTS, target)
    assert (weights.shape, weights.dtype) == ((4, 6, 7), torch.float32)
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(4, 6))
    for row, count in zip(weights, COUNTS, strict=True):
        assert (row[:, :count] > 0).all()
        assert not row[:, count:].any()


def check_autocast(found):
    """In bfloat16 much the same; what search reads stays float32, and gradients reach all weights."""
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


def check_search(found, end, settings):
    """A batch gives what its sentences give one by one, and a beam of one is greedy."""
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


@pytest.mark.parametrize("width", [1, 3])
@torch.no_grad()
def test_a_step_is_what_the_whole_prefix_gives(width):
    check_incremental(network(), width)


@torch.no_grad()
def test_padding_and_neighbours_change_nothing():
    check_padding_changes_nothing(network())


@torch.no_grad()
def test_attention_is_a_distribution_over_the_source():
    check_attention_is_a_distribution(network())


def test_autocast():
    check_autocast(network())


@pytest.mark.parametrize(("beam", "end"), [(1, 2), (1, 12), (2, 5), (4, 2), (4, 8)])
@torch.no_grad()
def test_search(beam, end):
    """The last norm is turned round: one matrix reads and writes tokens, so that a random network repeats itself."""
    torch.manual_seed(2)
    found = Transformer(SUBWORDS, 16, 4, 24, 2, 0.0).eval()
    found.decoder[-1].feedforward_sum.norm.weight.neg_()
    check_search(found, end, Search(beam, 0.6))
