"""The network against torchvision's, and blur pooling where the source puts it."""

import pytest
import torch
from torch import nn
from torchvision import models

from lightning_modules.networks.resnet import BlurPoolConv2d, ResNet

ARCHITECTURES = [
    (models.resnet18, [2, 2, 2, 2], False),
    (models.resnet34, [3, 4, 6, 3], False),
    (models.resnet50, [3, 4, 6, 3], True),
]


@pytest.mark.parametrize(("reference", "depths", "bottleneck"), ARCHITECTURES)
def test_names_shapes_and_outputs_are_torchvisions(reference, depths, bottleneck):
    torch.manual_seed(0)
    theirs, ours = reference().eval(), ResNet(1000, depths, bottleneck, 64, blur_pool=False).eval()
    state = theirs.state_dict()
    for name, value in state.items():  # running means and variances that are not 0 and 1
        if "running" in name:
            value.uniform_(0.5, 1.5)
    assert {name: value.shape for name, value in ours.state_dict().items()} == {
        name: value.shape for name, value in state.items()
    }

    ours.load_state_dict(state)
    images = torch.randn(2, 3, 96, 96)
    with torch.inference_mode():
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-5, atol=1e-5)


def test_initial_weights_are_distributed_as_torchvisions():
    torch.manual_seed(0)
    ours = ResNet(1000, [2, 2, 2, 2], False, 64, blur_pool=False).state_dict()
    for name, value in models.resnet18().state_dict().items():
        if value.numel() > 5000:
            assert float(ours[name].std()) == pytest.approx(float(value.std()), rel=0.05), name
        elif "weight" in name or "bias" in name:
            assert float(ours[name].mean()) == pytest.approx(float(value.mean()), abs=0.01), name


def blurred(network):
    return [name for name, module in network.named_modules() if isinstance(module, BlurPoolConv2d)]


def test_blur_pools_are_where_the_source_puts_them():
    """`apply_blurpool`: every strided convolution of at least 16 input channels; the stem has three."""
    fifty = ResNet(10, [3, 4, 6, 3], bottleneck=True, width=64)
    assert blurred(fifty) == [f"layer{n}.0.{part}" for n in (2, 3, 4) for part in ("conv2", "downsample.0")]
    eighteen = ResNet(10, [2, 2, 2, 2], bottleneck=False, width=64)
    assert blurred(eighteen) == [f"layer{n}.0.{part}" for n in (2, 3, 4) for part in ("conv1", "downsample.0")]
    narrow = ResNet(10, [1, 1, 1, 1], bottleneck=False, width=8)  # 8 channels into the second stage
    assert blurred(narrow) == [f"layer{n}.0.{part}" for n in (3, 4) for part in ("conv1", "downsample.0")]
    assert blurred(ResNet(10, [2, 2, 2, 2], bottleneck=False, blur_pool=False)) == []


def test_a_blur_pool_by_hand():
    """A bright pixel becomes the binomial kernel, of which stride 2 takes every other value; flat stays flat."""
    conv = nn.Conv2d(1, 1, 1, stride=2, bias=False)
    nn.init.ones_(conv.weight)
    image = torch.zeros(1, 1, 5, 5)
    image[0, 0, 2, 2] = 16
    out = BlurPoolConv2d(conv)(image)
    assert out[0, 0].tolist() == [[0, 0, 0], [0, 4, 0], [0, 0, 0]]
    image = torch.zeros(1, 1, 5, 5)
    image[0, 0, 1, 2] = 16
    assert BlurPoolConv2d(conv)(image)[0, 0].tolist() == [[0, 2, 0], [0, 2, 0], [0, 0, 0]]
    assert BlurPoolConv2d(conv)(torch.ones(1, 1, 5, 5))[0, 0, 1, 1] == 1


def test_blurring_keeps_shapes_and_trains_no_filter():
    plain, soft = (ResNet(7, [1, 1, 1, 1], False, 16, blur_pool=blur) for blur in (False, True))
    images = torch.randn(2, 3, 70, 66)
    assert plain(images).shape == soft(images).shape == (2, 7)
    assert sum(p.numel() for p in plain.parameters()) == sum(p.numel() for p in soft.parameters())
