"""The recogniser: features, packing, masks, CTC and its schedule, against hand-worked values and other code."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional
from torch.nn.utils.rnn import pack_padded_sequence
from torchaudio.functional import preemphasis
from torchaudio.transforms import MelSpectrogram
from torchmetrics.text import WordErrorRate

from benchmarks.errors import Failure
from datamodules.subwords import BLANK
from lightning_modules.networks.deep_speech import DeepSpeech, num_outputs, with_data
from lightning_modules.networks.log_mel import DEVIATIONS, MEANS, LogMel, hidden, num_frames
from lightning_modules.schedules import Cosine
from lightning_modules.spec_augment import SpecAugment
from lightning_modules.speech import SpeechRecognizer, ctc_losses, greedy

COUNTS = [16_000, 9_001, 12_345, 700]


def network(**changes):
    torch.manual_seed(0)
    sizes = {"width": 16, "channels": 4, "num_lstms": 2, "num_feedforward": 2, "dropout": 0.0, "momentum": 0.1}
    return DeepSpeech(7, **(sizes | changes))


def recordings(counts):
    generator = torch.Generator().manual_seed(1)
    samples = torch.zeros(len(counts), max(counts), dtype=torch.int16)
    for row, count in zip(samples, counts, strict=True):
        row[:count] = torch.randint(-20_000, 20_000, (count,), generator=generator)
    return samples


def log_mel_by_numpy(samples):
    """The same features from their definition: frames, window, power spectrum, triangles straight in hertz."""
    emphasised = samples / 2**15
    emphasised[1:] = emphasised[1:] - 0.97 * emphasised[:-1]
    window = np.zeros(512)
    window[56:456] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frames = np.stack([emphasised[start : start + 512] * window for start in range(0, len(samples) - 511, 160)])
    power = np.abs(np.fft.rfft(frames)) ** 2

    def to_mel(hertz):
        return 2595 * np.log10(1 + hertz / 700)

    corners = 700 * (10 ** (np.linspace(to_mel(125), to_mel(7600), 82) / 2595) - 1)
    hertz = np.linspace(0, 8000, 257)
    bank = np.stack(
        [
            np.interp(hertz, corners[i : i + 3], [0, 1, 0], left=0, right=0)
            for i in range(80)
        ],
        axis=1,
    )  # fmt: skip
    return (np.log(np.maximum(power @ bank, 1e-5)) - MEANS) / DEVIATIONS


def test_features_are_what_their_definition_says():
    samples = recordings([8_000])
    features, frames = LogMel()(samples, [8_000])
    expected = log_mel_by_numpy(samples[0].numpy().astype(np.float64))
    assert frames == [len(expected)] == [num_frames(8_000)]
    np.testing.assert_allclose(features[0].numpy(), expected, atol=2e-3)


def test_features_are_torchaudios():
    """Normalised and logarithmic, so that a thousandth here is less than half a per cent of an energy."""
    samples = recordings(COUNTS)
    features, frames = LogMel()(samples, COUNTS)
    transform = MelSpectrogram(16_000, 512, 400, 160, f_min=125, f_max=7600, n_mels=80, center=False)
    for row, count in enumerate(COUNTS):
        energies = transform(preemphasis(samples[row, :count] / 2**15, 0.97)).T
        expected = (energies.clamp(min=1e-5).log() - torch.tensor(MEANS)) / torch.tensor(DEVIATIONS)
        torch.testing.assert_close(features[row, : frames[row]], expected, atol=1e-4, rtol=1e-4)
        assert not features[row, frames[row] :].any()


@pytest.mark.parametrize("training", [False, True])
def test_padding_and_neighbours_change_nothing(training):
    """Also the means of the norms: frames beyond a recording are no part of them."""
    together, alone = network().train(training), network().train(training)
    samples = recordings(COUNTS)
    with torch.no_grad():
        logits, lengths = together(samples, COUNTS)
        padded, same = alone(functional.pad(samples, (0, 5_000)), COUNTS)
    assert lengths == same == [num_outputs(count) for count in COUNTS]
    for row, length in enumerate(lengths):
        torch.testing.assert_close(logits[row, :length], padded[row, :length])
    torch.testing.assert_close(together.lstms[0].norm.running_mean, alone.lstms[0].norm.running_mean)
    if not training:
        for row, count in enumerate(COUNTS):
            by_itself, _ = alone(samples[row : row + 1, :count], [count])
            torch.testing.assert_close(logits[row, : lengths[row]], by_itself[0], atol=1e-5, rtol=1e-5)


def test_as_many_outputs_as_a_recording_is_said_to_have():
    for count in (512, 513, 671, 672, 1_000, 4_321, 16_000):
        logits, lengths = network().eval()(recordings([count]), [count])
        assert lengths == [logits.shape[1]] == [num_outputs(count)]
    assert num_frames(1) == num_outputs(1) == 1, "however short it is"
    assert network().eval()(recordings([1]), [1])[0].shape == (1, 1, 7)


def test_lstms_compute_in_the_precision_that_is_asked_for(monkeypatch):
    """Autocast alone would give cuDNN float16; and without autocast nothing changes."""
    seen = []
    original = torch.lstm
    monkeypatch.setattr(
        torch,
        "lstm",
        lambda data, *rest: seen.append({data.dtype, *(w.dtype for w in rest[2])}) or original(data, *rest),
    )
    layer = network().lstms[0]
    packed = pack_padded_sequence(torch.randn(3, 9, 16), [9, 7, 2], batch_first=True)
    plain = layer(packed).data
    expected, _ = layer.lstm(with_data(packed, layer.norm(packed.data)))
    torch.testing.assert_close(plain, packed.data + expected.data, atol=0, rtol=0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        near = layer(packed).data
    assert seen == [{torch.float32}, {torch.bfloat16}]
    torch.testing.assert_close(near, plain, atol=0.05, rtol=0.05)
    near.sum().backward()
    assert layer.lstm.weight_ih_l0.grad.dtype == torch.float32
    assert layer.lstm.weight_ih_l0.grad.abs().sum() > 0


def test_ctc_by_hand():
    """Two frames, blank and one label, all likely alike: AA, A-, -A say A, so its probability is 3/4."""
    logits = torch.zeros(1, 2, 2)
    assert ctc_losses(logits, [2], torch.tensor([1]), [1]).item() == pytest.approx(-math.log(0.75))
    # One frame of the two: only A says A.
    assert ctc_losses(logits, [1], torch.tensor([1]), [1]).item() == pytest.approx(-math.log(0.5))
    # AA needs a blank between, so three frames.
    assert math.isinf(ctc_losses(logits, [2], torch.tensor([1, 1]), [2]).item())
    assert ctc_losses(torch.zeros(1, 3, 2), [3], torch.tensor([1, 1]), [2]).item() == pytest.approx(-math.log(1 / 8))


def test_ctc_of_several_keeps_their_labels_apart():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 9, 5, generator=generator)
    both = ctc_losses(logits, [9, 6], torch.tensor([1, 2, 2, 4]), [3, 1])
    first = ctc_losses(logits[:1], [9], torch.tensor([1, 2, 2]), [3])
    second = ctc_losses(logits[1:, :6], [6], torch.tensor([4]), [1])
    torch.testing.assert_close(both, torch.cat([first, second]))


def test_greedy_merges_repetitions_and_drops_blanks():
    path = torch.tensor([[BLANK, 3, 3, BLANK, 3, 5, 5, BLANK, 2], [4, 4, 4, 1, 1, 1, 1, 1, 1]])
    logits = functional.one_hot(path, 6).float()
    assert greedy(logits, [9, 3]) == [[3, 3, 5, 2], [4]]
    assert greedy(functional.one_hot(torch.zeros(1, 4, dtype=torch.int64), 6).float(), [4]) == [[]]


def test_masks_hide_what_they_say():
    features = torch.ones(2, 6, 5)
    bands = torch.tensor([[[1, 3]], [[0, 0]]])
    stretches = torch.tensor([[[0, 1], [4, 6]], [[2, 3], [2, 4]]])
    found = hidden(features, bands, stretches)
    assert found[0].tolist() == [
        [0, 0, 0, 0, 0], [1, 0, 0, 1, 1], [1, 0, 0, 1, 1], [1, 0, 0, 1, 1], [0, 0, 0, 0, 0], [0, 0, 0, 0, 0]
    ]  # fmt: skip
    assert found[1].sum(dim=1).tolist() == [5, 5, 0, 0, 5, 5]


def test_masks_follow_from_the_number_alone_and_stay_in_bounds():
    augmentation = SpecAugment(frequency_masks=2, widest_band=27, time_masks=10, longest_share=0.05)
    counts, numbers = [16_000 * 10] * 200, list(range(200))
    bands, stretches = augmentation.drawn(counts, numbers, torch.device("cpu"))
    assert (bands.shape, stretches.shape) == ((200, 2, 2), (200, 10, 2))
    again, _ = augmentation.drawn(counts[50:60], numbers[50:60], torch.device("cpu"))
    assert again.equal(bands[50:60])
    for spans, longest, size in ((bands, 27, 80), (stretches, int(0.05 * num_frames(160_000)), num_frames(160_000))):
        lengths = spans[..., 1] - spans[..., 0]
        assert (lengths.min(), lengths.max()) == (0, longest)
        assert spans.min() == 0
        assert spans.max() == size


def test_nadam_of_the_config_is_the_sources_nadamw():
    """AlgoPerf's update (pytorch_nadamw_full_budget.py); both differ while their bias corrections fade, not later."""
    beta1, beta2, rate, decay = 0.93266, 0.99552, 1e-3, 0.08
    ours = torch.nn.Parameter(torch.ones(5, dtype=torch.float64))
    optimizer = torch.optim.NAdam(
        [ours], rate, (beta1, beta2), weight_decay=decay, momentum_decay=1.0, decoupled_weight_decay=True
    )
    theirs, mean, square = torch.ones(5, dtype=torch.float64), torch.zeros(5), torch.zeros(5)
    generator = torch.Generator().manual_seed(3)
    for step in range(1, 501):
        gradient = torch.randn(5, generator=generator, dtype=torch.float64) + 0.3
        before = ours.detach().clone(), theirs.clone()
        ours.grad = gradient.clone()
        optimizer.step()
        mean = beta1 * mean + (1 - beta1) * gradient
        square = beta2 * square + (1 - beta2) * gradient**2
        looked_ahead = (beta1 * mean + (1 - beta1) * gradient) / (1 - beta1**step)
        theirs = theirs * (1 - rate * decay) - rate * looked_ahead / ((square / (1 - beta2**step)).sqrt() + 1e-8)
        if step > 300:
            torch.testing.assert_close(ours.detach() - before[0], theirs - before[1], atol=1e-6, rtol=1e-3)


class Fixed(torch.nn.Module):
    """Logits that do not depend on the batch."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor([0.1, 0.2, -0.3]))

    def forward(self, samples, counts, masks=None):
        places = torch.arange(12.0)[:, None] * torch.tensor([0.3, -0.1, 0.2])
        return (places + self.weight).expand(len(counts), 12, 3), [12] * len(counts)


def test_the_loss_of_a_step_is_the_mean_over_its_utterances_however_it_is_shared(monkeypatch):
    """Five utterances on one device, or three and two: Lightning averages the shares, and the gradient is one."""
    monkeypatch.setattr(SpeechRecognizer, "log", lambda *_, **__: None)
    labels = [[1], [1, 2], [2], [2, 1, 2], [1, 1]]

    def gradient(shares):
        total = torch.zeros(3)
        for share in shares:
            module = SpeechRecognizer(lambda _: Fixed(), torch.optim.SGD, Cosine(0.1), SpecAugment(0, 0, 0, 0.0))
            module.network = Fixed()
            module._trainer = SimpleNamespace(
                world_size=len(shares), accumulate_grad_batches=1, global_step=0,
                datamodule=SimpleNamespace(step_targets=5.0),
            )  # fmt: skip
            part = [labels[place] for place in share]
            batch = {
                "samples": torch.zeros(len(part), 4_000, dtype=torch.int16), "counts": [4_000] * len(part),
                "labels": torch.tensor([label for each in part for label in each]),
                "label_counts": list(map(len, part)), "random": [0] * len(part), "index": share,
            }  # fmt: skip
            module.training_step(batch, 0).backward()
            total += module.network.weight.grad / len(shares)
        return total

    torch.testing.assert_close(gradient([[0, 1, 2, 3, 4]]), gradient([[0, 2, 4], [1, 3]]))


def test_a_loss_that_is_not_finite_ends_the_run_with_the_utterances_name():
    """Twelve frames cannot write seven equal labels, which need a blank between each two."""
    module = SpeechRecognizer(lambda _: Fixed(), torch.optim.SGD, Cosine(0.1), SpecAugment(0, 0, 0, 0.0))
    module.network = Fixed()
    train = SimpleNamespace(ids=["1-2-0000", "1-2-0001", "1-2-0002"])
    module._trainer = SimpleNamespace(
        world_size=1,
        accumulate_grad_batches=1,
        global_step=7,
        datamodule=SimpleNamespace(train=train, step_targets=2.0),
    )
    batch = {
        "samples": torch.zeros(2, 4_000, dtype=torch.int16), "counts": [4_000] * 2, "random": [0] * 2,
        "labels": torch.tensor([1] * 8), "label_counts": [1, 7], "index": [0, 2],
    }  # fmt: skip
    module.log = lambda *_, **__: None
    module.training_step(batch, 0)
    with pytest.raises(Failure, match=r"^at step 7 the loss of 1-2-0002 is not finite$") as caught:
        module.on_after_backward()
    assert caught.value.state["ids"] == ["1-2-0002"]
    assert caught.value.state["losses"].isfinite().tolist() == [True, False]


def test_no_step_after_a_resume_reads_numbers_from_a_gpu():
    """A checkpoint's loading moves all that NAdam keeps to the weights, which here lie on a GPU that is made up."""
    with FakeTensorMode():
        weight = torch.nn.Parameter(torch.empty(3, device="cuda"))
        optimizer = torch.optim.NAdam([weight])
        means = {"exp_avg": torch.zeros(3), "exp_avg_sq": torch.zeros(3)}
        kept = {0: {"step": torch.tensor(5.0), "mu_product": torch.tensor(0.5), **means}}
        optimizer.load_state_dict(optimizer.state_dict() | {"state": kept})
        module = SpeechRecognizer(lambda _: Fixed(), torch.optim.NAdam, Cosine(0.1), SpecAugment(0, 0, 0, 0.0))
        module._trainer = SimpleNamespace(optimizers=[optimizer])
        module.on_train_start()
        places = {name: value.device.type for name, value in optimizer.state[weight].items()}
    assert places == {"step": "cpu", "mu_product": "cpu", "exp_avg": "cuda", "exp_avg_sq": "cuda"}


@torch.no_grad()
def test_recordings_are_recognised_in_float32_whatever_is_asked_for():
    module = SpeechRecognizer(lambda _: Fixed(), torch.optim.SGD, Cosine(0.1), SpecAugment(0, 0, 0, 0.0))
    module.network = network().eval()
    module.subwords = SimpleNamespace(decode=str)
    module.errors["val"] = WordErrorRate()
    seen = []
    module.network.register_forward_hook(lambda _, given, found: seen.append(found[0]))
    batch = {"samples": recordings([9_000, 16_000]), "counts": [9_000, 16_000], "transcripts": ["A", "B"]}
    module.validation_step(batch, 0)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        module.validation_step(batch, 0)
    assert seen[1].dtype == torch.float32
    assert torch.equal(*seen)
