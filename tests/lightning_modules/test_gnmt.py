"""GNMT against its equations, position by position."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence

from lightning_modules.networks.gnmt import Gnmt
from lightning_modules.networks.recurrent import Lstm, with_data
from tests.lightning_modules.test_translating_networks import COUNTS, texts
from tests.lightning_modules.test_translating_networks import gnmt as network


def cell(x, state, lstm, suffix=""):
    """Hochreiter and Schmidhuber's cell with a forget gate: input, forget, candidate and output, in torch's order."""
    h, c = state
    of = dict(lstm.named_parameters())
    gates = of[f"weight_ih_l0{suffix}"] @ x + of[f"bias_ih_l0{suffix}"]
    gates = gates + of[f"weight_hh_l0{suffix}"] @ h + of[f"bias_hh_l0{suffix}"]
    i, f, g, o = gates.view(4, -1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def nothing():
    return torch.zeros(16), torch.zeros(16)


def run(lstm, inputs, suffix=""):
    outputs, state = [], nothing()
    for x in inputs:
        state = cell(x, state, lstm, suffix)
        outputs.append(state[0])
    return outputs


def encoded_by_hand(found, tokens):
    first, second, *others = found.encoder.lstms
    embedded = [found.embedding.weight[token] for token in tokens]
    backward = run(first, embedded[::-1], "_reverse")[::-1]
    outputs = [torch.cat(both) for both in zip(run(first, embedded), backward, strict=True)]
    outputs = run(second, outputs)
    for lstm in others:
        outputs = [out + x for out, x in zip(run(lstm, outputs), outputs, strict=True)]
    return outputs


def attended_by_hand(attend, query, source):
    """Bahdanau's energies, v normalised to the length g."""
    unit = attend.direction / attend.direction.square().sum().sqrt()
    asking = attend.query.weight @ query + attend.query.bias
    energies = [attend.scale * unit @ (asking + attend.key.weight @ each).tanh() for each in source]
    weights = torch.stack(energies).exp()
    weights = weights / weights.sum()
    return sum(weight * each for weight, each in zip(weights, source, strict=True)), weights


def decoded_by_hand(found, source, tokens):
    """Logits of each position, and its attention."""
    first, second, *others = found.decoder
    states = [nothing() for _ in found.decoder]
    answers = []
    for token in tokens:
        states[0] = cell(found.embedding.weight[token], states[0], first)
        context, weights = attended_by_hand(found.attend, states[0][0], source)
        states[1] = cell(torch.cat([states[0][0], context]), states[1], second)
        out = states[1][0]
        for place, lstm in enumerate(others, start=2):
            states[place] = cell(torch.cat([out, context]), states[place], lstm)
            out = states[place][0] + out
        answers.append((found.classifier.weight @ out + found.classifier.bias, weights))
    return [torch.stack(each) for each in zip(*answers, strict=True)]


@torch.no_grad()
def test_logits_and_attention_are_what_the_equations_say():
    found = network()
    source, target = texts()
    logits, attention = found(source, COUNTS, target), found.attention(source, COUNTS, target)
    for row, count in enumerate(COUNTS):
        by_hand, weights = decoded_by_hand(found, encoded_by_hand(found, source[row, :count]), target[row])
        torch.testing.assert_close(logits[row], by_hand, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(attention[row, :, :count], weights, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("width", "reach"), [(1024, 0.1), (64, 0.4)])
def test_first_weights(width, reach):
    """As in the source: uniform, the LSTM's second bias and the attention's bias 0, and g = 1 / sqrt(width)."""
    found = Gnmt(300, width, 3, 0.2)
    for name, weight in found.named_parameters():
        if name == "attend.scale":
            assert weight.item() == width**-0.5
        elif "bias_hh" in name or name == "attend.query.bias":
            assert not weight.any(), name
        else:
            assert 0.9 * reach < weight.max() <= reach, name
            assert -reach <= weight.min() < -0.9 * reach, name
    assert sum("bias_hh" in name for name, _ in found.named_parameters()) == 7


def test_dropout_is_on_what_comes_into_each_lstm(monkeypatch):
    """The context included, which is concatenated first."""
    seen = []
    original = functional.dropout
    monkeypatch.setattr(functional, "dropout", lambda x, p, *rest: seen.append((tuple(x.shape), p)) or original(x, p))
    source, target = texts()
    network(layers=3, dropout=0.25).train()(source, COUNTS, target)
    tokens = sum(COUNTS)
    encoder = [((tokens, 16), 0.25), ((tokens, 32), 0.25), ((tokens, 16), 0.25)]
    assert seen == encoder + [((4, 6, 16), 0.25)] + [((4, 6, 32), 0.25)] * 2


@torch.no_grad()
def test_lstms_are_torchs_in_either_direction_packed_and_padded():
    torch.manual_seed(0)
    both, one = Lstm(5, 4, bidirectional=True), Lstm(5, 4)
    packed = pack_padded_sequence(torch.randn(3, 6, 5), [6, 4, 1], batch_first=True)
    for lstm in (both, one):
        expected, _ = nn.LSTM.forward(lstm, packed)
        assert lstm.packed(packed.data, packed.batch_sizes).equal(expected.data)
    data, state = torch.randn(3, 6, 5), (torch.randn(3, 4), torch.randn(3, 4))
    expected, (h, c) = nn.LSTM.forward(one, data, (state[0][None], state[1][None]))
    found, after = one.padded(data, state)
    torch.testing.assert_close((found, *after), (expected, h[0], c[0]))
    for place in range(6):
        found, state = one.padded(data[:, place : place + 1], state)
        torch.testing.assert_close(found[:, 0], expected[:, place])
    torch.testing.assert_close(state, after)
    assert with_data(packed, packed.data + 1).data.equal(packed.data + 1)


@pytest.mark.parametrize("length", [1, 6])
def test_lstms_compute_in_the_precision_that_is_asked_for(monkeypatch, length):
    """Also where a state is handed in; `packed` is tested with the recogniser."""
    seen = []
    for name in ("lstm", "lstm_cell"):
        original = getattr(torch, name)

        def watched(data, state, weights, *rest, original=original):
            given = weights if isinstance(weights, list) else [weights, *rest]
            seen.append({each.dtype for each in (data, *state, *given)})
            return original(data, state, weights, *rest)

        monkeypatch.setattr(torch, name, watched)
    lstm = Lstm(5, 4)
    data, state = torch.randn(3, length, 5), (torch.randn(3, 4), torch.randn(3, 4))
    plain, _ = lstm.padded(data, state)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        near, after = lstm.padded(data, state)
    assert seen == [{torch.float32}, {torch.bfloat16}]
    assert {each.dtype for each in (near, *after)} == {torch.bfloat16}
    torch.testing.assert_close(near.float(), plain, atol=0.05, rtol=0.05)
