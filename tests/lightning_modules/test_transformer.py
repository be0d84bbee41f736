"""The Transformer against torch's and the paper."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from lightning_modules.networks.attention import present
from lightning_modules.networks.transformer import USUAL, Transformer, sinusoids
from tests.lightning_modules.test_translating_networks import COUNTS, SUBWORDS, texts
from tests.lightning_modules.test_translating_networks import transformer as network


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
