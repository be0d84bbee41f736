"""Residual networks of any depth and width (He et al. 2016, section 3.3), with optional blur pooling.

The strides are those of ResNet v1.5 (on the 3x3 convolution), and names and shapes of the parameters are
torchvision's, so that `ResNet(1000, depths=[3, 4, 6, 3], bottleneck=True, blur_pool=False)` loads its ResNet-50.
Blur pooling follows libffcv/ffcv-imagenet:train_imagenet.py:BlurPoolConv2d (after Zhang 2019): a fixed binomial 3x3
filter before every strided convolution of at least 16 input channels.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from lightning_modules.positive import require_positive

# Shapes: N images, C channels, H x W pixels.


class BlurPoolConv2d(nn.Module):
    """A binomial low-pass filter, then the strided convolution.

    One of 1x1 looks at every so many positions, so the filter is computed there alone.
    """

    blur_filter: Tensor

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv
        kernel = torch.tensor([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]) / 16
        self.register_buffer("blur_filter", kernel.expand(conv.in_channels, 1, 3, 3).contiguous())

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to what the convolution makes of it."""
        pointwise = self.conv.kernel_size == (1, 1)
        stride = self.conv.stride if pointwise else 1
        blurred = functional.conv2d(x, self.blur_filter, None, stride, padding=1, groups=self.conv.in_channels)
        return functional.conv2d(blurred, self.conv.weight, self.conv.bias) if pointwise else self.conv(blurred)


class Block(nn.Module):
    """Two 3x3 convolutions, or with `bottleneck` 1x1, 3x3, 1x1 with four times the channels at the end."""

    def __init__(self, inputs: int, channels: int, stride: int, bottleneck: bool) -> None:
        super().__init__()
        outputs = channels * 4 if bottleneck else channels
        if bottleneck:
            self.conv1 = nn.Conv2d(inputs, channels, 1, bias=False)
            self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
            self.conv3 = nn.Conv2d(channels, outputs, 1, bias=False)
            self.bn3 = nn.BatchNorm2d(outputs)
        else:
            self.conv1 = nn.Conv2d(inputs, channels, 3, stride, padding=1, bias=False)
            self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.bn2 = nn.BatchNorm2d(channels)
        self.bottleneck = bottleneck
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """[N, inputs, H, W] to [N, outputs, H / stride, W / stride]."""
        identity = x if self.downsample is None else self.downsample(x)
        out = functional.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.bottleneck:
            out = self.bn3(self.conv3(functional.relu(out)))
        return functional.relu(out + identity)


class ResNet(nn.Module):
    """Stem, four stages of residual blocks, mean pooling, a linear classifier.

    Args:
        num_classes: number of outputs.
        depths: blocks in each of the four stages.
        bottleneck: the three-convolution block of the 50-layer network and deeper ones.
        width: channels of the stem and the first stage; every stage doubles them.
        blur_pool: low-pass before every strided convolution but the stem's.
    """

    def __init__(
        self, num_classes: int, depths: list[int], bottleneck: bool, width: int = 64, blur_pool: bool = True
    ) -> None:
        super().__init__()
        require_positive(width=width, depths=min(depths, default=0))
        self.conv1 = nn.Conv2d(3, width, 7, 2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        inputs = width
        for stage, depth in enumerate(depths):
            channels = width * 2**stage
            blocks = []
            for index in range(depth):
                stride = 2 if stage > 0 and index == 0 else 1
                blocks.append(Block(inputs, channels, stride, bottleneck))
                inputs = channels * 4 if bottleneck else channels
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
        self.stages = len(depths)
        self.fc = nn.Linear(inputs, num_classes)
        self.apply(_initialise)
        if blur_pool:
            _blur(self)

    def features(self, x: Tensor) -> list[Tensor]:
        """[N, 3, H, W] normalised images to what each stage makes of them, [N, channels, H / 4, W / 4] and smaller."""
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.max_pool2d(x, 3, 2, padding=1)
        found = []
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
            found.append(x)
        return found

    def forward(self, x: Tensor) -> Tensor:
        """[N, 3, H, W] normalised images to [N, num_classes] logits."""
        return self.fc(self.features(x)[-1].mean(dim=(2, 3)))


def _initialise(module: nn.Module) -> None:
    # He et al. 2015; as torchvision's ResNet.
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


def _blur(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.Conv2d) and max(child.stride) > 1 and child.in_channels >= 16:
            setattr(module, name, BlurPoolConv2d(child))
        else:
            _blur(child)
