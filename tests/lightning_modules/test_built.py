"""A network that cannot be made ends in one message, whichever layer refuses its sizes."""

import pytest
import torch

from benchmarks.errors import UserError
from lightning_modules.built import built
from lightning_modules.networks.deep_speech import DeepSpeech
from lightning_modules.networks.detectors import FasterRCNN
from lightning_modules.networks.resnet import ResNet
from lightning_modules.networks.transformer import Transformer


def residual(width=8, depths=(1, 1, 1, 1)):
    return lambda classes: ResNet(classes, depths=[*depths], bottleneck=False, width=width)


def detector(channels):
    def make(classes, short, long):
        return FasterRCNN(classes, short, long, residual(), frozen_stages=0, frozen_norm=False, channels=channels)

    return make


def recogniser(width):
    return lambda subwords: DeepSpeech(subwords, width, 8, 1, 1, 0.1, 1e-3)


def translator(width, heads):
    return lambda subwords: Transformer(subwords, width, heads, 64, 1, 0.1)


@pytest.mark.parametrize(
    ("make", "sizes", "words"),
    [
        (residual(width=-4), (10,), "width is -4; it is at least 1"),
        (residual(depths=()), (10,), "depths is 0; it is at least 1"),
        (residual(depths=(1, 0, 1, 1)), (10,), "depths is 0; it is at least 1"),
        (detector(-4), (4, 64, 64), "negative dimension -4"),
        (recogniser(-4), (30,), "negative dimension -4"),
        (recogniser(65), (30,), "the width of 65 is odd, but either direction of an LSTM has half of it"),
        (translator(63, heads=4), (30,), "the width of 63 cannot be shared out among 4 heads"),
        (translator(63, heads=3), (30,), "the width of 63 is odd, but a position is pairs of sine and cosine"),
    ],
)
def test_sizes_that_are_none_are_named(make, sizes, words):
    with pytest.raises(UserError) as refused:
        built(make, *sizes)
    message = str(refused.value)
    assert message.startswith("model.init_args.network: ")
    assert words in message
    assert message.endswith(". Change it in ARGS.")
    assert "\n" not in message


def test_a_full_gpu_is_not_blamed_on_the_sizes():
    def fills(classes):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    with pytest.raises(torch.OutOfMemoryError):
        built(fills, 10)


def test_what_can_be_made_is():
    assert built(residual(), 10).fc.out_features == 10
