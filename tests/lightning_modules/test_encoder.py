"""The encoder against its definition written out, and what holds of rotary positions, padding and pooling."""

import math

import pytest
import torch
from torch.nn import functional

from lightning_modules.networks import encoder
from lightning_modules.networks.encoder import Encoder, MaskedHead, pooled, rates, turned, turns_of

SUBWORDS = 11
COUNTS = [7, 4, 1, 5]


def network(**changes):
    """With values other than 0 and 1 in biases and norms, or a test would not see them."""
    torch.manual_seed(0)
    sizes = {"width": 16, "heads": 2, "feedforward": 24, "layers": 2, "dropout": 0.0}
    found = Encoder(SUBWORDS, **(sizes | changes)).eval()
    with torch.no_grad():
        for weight in found.parameters():
            if weight.ndim < 2:
                weight.add_(torch.randn(weight.shape) * 0.3)
    return found


def texts(filling=0):
    tokens = torch.randint(1, SUBWORDS, (len(COUNTS), max(COUNTS)), generator=torch.Generator().manual_seed(1))
    for row, count in zip(tokens, COUNTS, strict=True):
        row[count:] = filling
    return tokens


# The definition


def by_definition(found, tokens):
    """One text without padding, [T] to [T, D]: attention by loops over heads, queries and keys."""
    text = found.embedding.weight[tokens] * math.sqrt(found.width)
    for layer in found.layers:
        normed = layer.attention_norm(text)
        text = text + layer.attention.output(attended_by_loops(layer.attention, normed))
        normed = layer.feedforward_norm(text)
        inner, _, outer = layer.feedforward
        values = inner(normed)
        text = text + outer(values * 0.5 * (1 + torch.erf(values / math.sqrt(2))))
    return found.norm(text)


def attended_by_loops(attention, text):
    length, width = text.shape
    size = width // attention.heads
    queries, keys, values = attention.project(text).split(width, dim=1)
    result = torch.zeros_like(text)
    for head in range(attention.heads):
        part = slice(head * size, (head + 1) * size)
        for place in range(length):
            query = rotated(queries[place, part], place)
            scores = torch.stack([query @ rotated(keys[other, part], other) for other in range(length)])
            weights = (scores / math.sqrt(size)).softmax(dim=0)
            result[place, part] = weights @ values[:, part]
    return result


def rotated(vector, place):
    """Equation 15: each pair of values by the matrix of its angle, place * 10000^(-2i/E)."""
    half = len(vector) // 2
    result = torch.zeros_like(vector)
    for i in range(half):
        angle = place * 10_000 ** (-2 * i / len(vector))
        first, second = vector[i], vector[i + half]
        result[i] = first * math.cos(angle) - second * math.sin(angle)
        result[i + half] = first * math.sin(angle) + second * math.cos(angle)
    return result


@pytest.mark.parametrize("heads", [1, 2, 4])
@torch.no_grad()
def test_the_encoder_is_its_definition(heads):
    ours, tokens = network(heads=heads).double(), texts()
    found = ours(tokens, COUNTS)
    assert found.shape == (4, 7, 16)
    for row, count in enumerate(COUNTS):
        expected = by_definition(ours, tokens[row, :count])
        torch.testing.assert_close(found[row, :count], expected, atol=1e-6, rtol=1e-6)


def test_rates_by_hand():
    """Of a head of 4 values: 10000^0 and 10000^(-2/4)."""
    assert rates(4).tolist() == pytest.approx([1.0, 0.01])
    assert rates(64)[31].item() == pytest.approx(10_000 ** (-62 / 64))


def test_a_turn_by_hand():
    """At position 1 the pair (1, 3) is turned by 1 radian and (2, 4) by a hundredth; at position 0 nothing moves."""
    vector = torch.tensor([1.0, 2.0, 3.0, 4.0]).expand(1, 1, 2, 4)
    found = turned(vector, turns_of(rates(4), 2))[0, 0]
    assert found[0].tolist() == [1, 2, 3, 4]
    assert found[1].tolist() == pytest.approx([-1.984111, 1.959901, 2.462378, 4.0198], abs=1e-5)


def test_scores_depend_on_distances_alone():
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 8, generator=generator, dtype=torch.float64)
    turns = turns_of(rates(8).double(), 200)
    queries, keys = (turned(each.expand(1, 1, 200, 8), turns)[0, 0] for each in (query, key))
    scores = queries @ keys.T
    for distance in (-150, -3, 0, 1, 40):
        along = scores.diagonal(distance)
        torch.testing.assert_close(along, along[:1].expand_as(along), atol=1e-6, rtol=1e-6)
    assert scores[0].std() > 0.1, "the distance matters"
    torch.testing.assert_close(queries.norm(dim=1), query.norm().expand(200))


@torch.no_grad()
def test_where_a_text_begins_changes_nothing(monkeypatch):
    """All positions 100 further: the same vectors."""
    ours, tokens = network(), texts()
    found = ours(tokens, COUNTS)
    further = tuple(each[100:] for each in turns_of(ours.rates, 100 + tokens.shape[1]))
    monkeypatch.setattr(encoder, "turns_of", lambda *_: further)
    moved = ours(tokens, COUNTS)
    for row, count in enumerate(COUNTS):
        torch.testing.assert_close(moved[row, :count], found[row, :count], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_order_of_tokens_matters():
    ours, tokens = network(), torch.tensor([[3, 4, 5, 6, 7]])
    turned_round = pooled(ours(tokens.flip(1), [5]), [5])
    assert (turned_round - pooled(ours(tokens, [5]), [5])).abs().max() > 0.01


# Padding


@torch.no_grad()
def test_padding_and_neighbours_change_nothing():
    ours = network()
    found, expected = ours(texts(filling=9), COUNTS), ours(texts(), COUNTS)
    wider = ours(functional.pad(texts(), (0, 30)), COUNTS)
    for row, count in enumerate(COUNTS):
        alone = ours(texts()[row : row + 1, :count], [count])[0]
        for each in (found, expected, wider):
            torch.testing.assert_close(each[row, :count], alone, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(pooled(wider, COUNTS)[row], alone.mean(dim=0), atol=1e-5, rtol=1e-5)


def test_pooled_by_hand():
    found = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [5.0, 1.0]], [[4.0, 0.0], [2.0, 8.0], [math.nan, 99.0]]])
    assert pooled(found, [3, 2]).tolist() == [[3, 3], [3, 4]]
    assert pooled(found, [1, 1]).tolist() == [[1, 2], [4, 0]]
    assert pooled(found[:1], [3]).tolist() == [[3, 3]]


# The head


@torch.no_grad()
def test_the_head_is_its_definition():
    torch.manual_seed(0)
    head, matrix, vectors = MaskedHead(16, SUBWORDS), torch.randn(SUBWORDS, 16), torch.randn(3, 16)
    for weight in head.parameters():
        weight.add_(torch.randn(weight.shape) * 0.3)
    values = vectors @ head.dense.weight.T + head.dense.bias
    values = values * 0.5 * (1 + torch.erf(values / math.sqrt(2)))
    values = (values - values.mean(dim=1, keepdim=True)) / (values.var(dim=1, correction=0, keepdim=True) + 1e-5).sqrt()
    expected = (values * head.norm.weight + head.norm.bias) @ matrix.T + head.bias
    torch.testing.assert_close(head(vectors, matrix), expected, atol=1e-5, rtol=1e-5)
    assert head(vectors[:0], matrix).shape == (0, SUBWORDS)


# First weights, dropout, numbers, sizes


@torch.no_grad()
def test_first_weights():
    """Glorot and Bengio's bound is sqrt(6 / (inputs + outputs)); what is added is smaller by sqrt(2 * 8 layers)."""
    torch.manual_seed(0)
    found = Encoder(1000, 256, 4, 1024, 8, 0.1)
    assert found.embedding.weight.std().item() == pytest.approx(1 / 16, rel=0.02)
    layer = found.layers[3]
    bounds = {
        layer.attention.project: (6 / 1024) ** 0.5, layer.feedforward[0]: (6 / 1280) ** 0.5,
        layer.attention.output: (6 / 512) ** 0.5 / 4, layer.feedforward[2]: (6 / 1280) ** 0.5 / 4,
    }  # fmt: skip
    for linear, bound in bounds.items():
        assert linear.weight.abs().max().item() == pytest.approx(bound, rel=0.001)
        assert not linear.bias.any()


@pytest.mark.parametrize("layers", [1, 12])
@torch.no_grad()
def test_first_logits_are_of_one_however_deep(layers):
    """So training begins near a loss of ln(subwords), and every layer sees its token."""
    torch.manual_seed(0)
    found = Encoder(1000, 256, 4, 1024, layers, 0.0)
    seen = []
    found.norm.register_forward_hook(lambda module, given, result: seen.append(given[0]))
    vectors = found(torch.randint(1000, (4, 50)), [50] * 4).flatten(0, 1)
    logits = MaskedHead(256, 1000)(vectors, found.embedding.weight)
    assert logits.std().item() == pytest.approx(1.0, rel=0.1)
    assert 1.0 < seen[0].std() < 1.5


def test_dropout_is_on_the_embedding_and_on_the_sums(monkeypatch):
    seen = []
    original = functional.dropout
    monkeypatch.setattr(functional, "dropout", lambda x, p, *rest: seen.append((x.shape[1:], p)) or original(x, p))
    network(dropout=0.25).train()(texts(), COUNTS)
    assert seen == [((7, 16), 0.25)] * 5


def test_autocast():
    """In bfloat16 much the same, and gradients reach all weights."""
    ours, tokens = network(), texts()
    expected = pooled(ours(tokens, COUNTS), COUNTS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        near = pooled(ours(tokens, COUNTS), COUNTS)
    torch.testing.assert_close(near.float(), expected, atol=0.1, rtol=0.05)
    near.float().square().mean().backward()
    for name, weight in ours.named_parameters():
        assert weight.grad.dtype == torch.float32
        assert weight.grad.abs().sum() > 0, name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"heads": 3}, "the width of 16 cannot be shared out among 3 heads"),
        ({"heads": 16}, "a head's width of 16 / 16 = 1 is odd, but positions turn pairs"),
        ({"layers": 0}, "layers is 0; it is at least 1"),
    ],
)
def test_sizes_that_do_not_fit(changes, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        network(**changes)
