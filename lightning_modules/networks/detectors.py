"""Torchvision's detectors on residual networks of any size: Faster R-CNN, its second version, and RetinaNet.

Names and shapes of the parameters are torchvision's, so that `FasterRCNN` of a ResNet-50 loads the weights of its
`fasterrcnn_resnet50_fpn`. Training images come at their final size; test images are scaled by the network, as there.
Boxes are computed in float32 whatever the precision of the features.
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torchvision.models.detection import faster_rcnn, retinanet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNConvFCHead, TwoMLPHead
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.rpn import RPNHead
from torchvision.ops import FeaturePyramidNetwork, FrozenBatchNorm2d
from torchvision.ops.feature_pyramid_network import ExtraFPNBlock, LastLevelMaxPool, LastLevelP6P7

from lightning_modules.networks.resnet import ResNet

RATIOS = (0.5, 1.0, 2.0)  # height to width of an anchor


class Anchors(AnchorGenerator):
    """Torchvision's anchors in float32, also where features are in bf16, which cannot tell 801 pixels from 803."""

    def forward(self, image_list: ImageList, feature_maps: list[Tensor]) -> list[Tensor]:
        """Corners [anchors, 4] for each image."""
        shapes = [level.new_zeros((), dtype=torch.float32).expand(level.shape) for level in feature_maps]
        anchors: list[Tensor] = super().forward(image_list, shapes)
        return anchors


class ProposalHead(RPNHead):
    """Torchvision's, with outputs in float32: boxes are decoded in their precision."""

    def forward(self, x: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Levels [N, C, H, W] to scores [N, anchors, H, W] and offsets [N, 4 * anchors, H, W] of each."""
        scores, offsets = super().forward(x)
        return [each.float() for each in scores], [each.float() for each in offsets]


class BoxPredictor(faster_rcnn.FastRCNNPredictor):
    """Torchvision's, with outputs in float32: boxes are decoded in their precision."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """[boxes, units] to logits [boxes, classes] and offsets [boxes, 4 * classes]."""
        logits, offsets = super().forward(x)
        return logits.float(), offsets.float()


class DenseHead(retinanet.RetinaNetHead):
    """Torchvision's, with outputs in float32: boxes are decoded in their precision."""

    def forward(self, x: list[Tensor]) -> dict[str, Tensor]:
        """Levels [N, C, H, W] to logits [N, anchors, classes] and offsets [N, anchors, 4]."""
        return {name: output.float() for name, output in super().forward(x).items()}


class Pyramid(nn.Module):
    """A residual network's stages, joined from the top down (Lin et al. 2017).

    Args:
        body: the network; its classifier falls away.
        stages: which stages are joined, from 1.
        channels: of every level.
        top: what makes the levels above the last stage.
        norm: whether the pyramid's convolutions are followed by batch normalisation.
        frozen_stages: stages that are not trained, the stem being the first; 0 trains all.
        frozen_norm: whether batch normalisation keeps the statistics and weights it came with.
    """

    def __init__(
        self, body: ResNet, stages: list[int], channels: int, top: ExtraFPNBlock, norm: bool, frozen_stages: int,
        frozen_norm: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        inputs = body.fc.in_features
        del body.fc
        if frozen_norm:
            _freeze_norms(body)
        for module in _first(body, frozen_stages):
            module.requires_grad_(False)
        self.body, self.stages, self.out_channels = body, stages, channels
        widths = [inputs // 2 ** (body.stages - stage) for stage in stages]
        self.fpn = FeaturePyramidNetwork(widths, channels, top, nn.BatchNorm2d if norm else None)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """[N, 3, H, W] to levels by name, [N, channels, H / stride, W / stride], the finest first."""
        found = self.body.features(x)
        levels: dict[str, Tensor] = self.fpn(OrderedDict((str(i), found[s - 1]) for i, s in enumerate(self.stages)))
        return levels


def _first(body: ResNet, count: int) -> list[nn.Module]:
    """The modules of the first stages, the stem being one."""
    later = [getattr(body, f"layer{stage}") for stage in range(1, count)]
    return [body.conv1, body.bn1, *later] if count else []


class FrozenNorm(FrozenBatchNorm2d):
    """Gives back the precision that it is given; torchvision's would turn all that follows from bf16 into float32."""

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W], normalised in float32 (as detectron2:detectron2/layers/batch_norm.py)."""
        normalised: Tensor = super().forward(x)
        return normalised.to(x.dtype)


def _freeze_norms(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.BatchNorm2d):
            frozen = FrozenNorm(child.num_features, child.eps)
            frozen.load_state_dict(child.state_dict())
            setattr(module, name, frozen)
        else:
            _freeze_norms(child)


class FasterRCNN(faster_rcnn.FasterRCNN):
    """Faster R-CNN (Ren et al. 2015) on a feature pyramid.

    Args:
        num_classes: of objects; the background is one more.
        short_side: that a test image is scaled to, in pixels.
        longest_side: that its longer side does not pass then.
        body: makes the residual network.
        frozen_stages: stages of it that are not trained, the stem being the first.
        frozen_norm: whether its batch normalisation is fixed.
        heads: `plain`, or those of torchvision's second version: two convolutions before the proposals, four before
            the box, all with batch normalisation.
        channels: of the pyramid; the box head has four times as many units.
        smallest_anchor: side in pixels on the finest level; it doubles with every level.
        sampled_anchors: an image, to train the proposals on.
        sampled_boxes: an image, to train the box head on.
        proposals: the likeliest kept in training, of each level and then, without those that overlap, of an image, from
            which the box head's are sampled; in testing half as many, which all reach it.
    """

    def __init__(
        self,
        num_classes: int,
        short_side: int,
        longest_side: int,
        body: Callable[[int], ResNet],
        frozen_stages: int = 2,
        frozen_norm: bool = True,
        heads: Literal["plain", "second"] = "plain",
        channels: int = 256,
        smallest_anchor: int = 32,
        sampled_anchors: int = 256,
        sampled_boxes: int = 512,
        proposals: int = 2000,
    ) -> None:
        second, network = heads == "second", body(1)
        stages = list(range(1, network.stages + 1))
        pyramid = Pyramid(network, stages, channels, LastLevelMaxPool(), second, frozen_stages, frozen_norm)
        sizes = tuple((smallest_anchor * 2**level,) for level in range(network.stages + 1))
        anchors = Anchors(sizes, (RATIOS,) * len(sizes))
        size, hidden = (channels, 7, 7), 4 * channels
        super().__init__(
            pyramid, None, short_side, longest_side,
            rpn_anchor_generator=anchors,
            rpn_head=ProposalHead(channels, len(RATIOS), conv_depth=2 if second else 1),
            rpn_batch_size_per_image=sampled_anchors,
            rpn_pre_nms_top_n_train=proposals, rpn_post_nms_top_n_train=proposals,
            rpn_pre_nms_top_n_test=proposals // 2, rpn_post_nms_top_n_test=proposals // 2,
            box_head=FastRCNNConvFCHead(size, [channels] * 4, [hidden], nn.BatchNorm2d) if second
            else TwoMLPHead(channels * 7 * 7, hidden),
            box_predictor=BoxPredictor(hidden, num_classes + 1),
            box_batch_size_per_image=sampled_boxes, _skip_resize=True,
        )  # fmt: skip


class RetinaNet(retinanet.RetinaNet):
    """RetinaNet (Lin et al. 2017), in torchvision's second version: group normalisation and the GIoU loss.

    Args:
        num_classes: of objects.
        short_side: that a test image is scaled to, in pixels.
        longest_side: that its longer side does not pass then.
        body: makes the residual network.
        frozen_stages: stages of it that are not trained, the stem being the first.
        channels: of the pyramid.
    """

    def __init__(
        self,
        num_classes: int,
        short_side: int,
        longest_side: int,
        body: Callable[[int], ResNet],
        frozen_stages: int = 2,
        channels: int = 256,
    ) -> None:
        network = body(1)
        top = LastLevelP6P7(network.fc.in_features, channels)
        pyramid = Pyramid(network, [2, 3, 4], channels, top, False, frozen_stages, frozen_norm=False)
        default = retinanet._default_anchorgen()
        anchors = Anchors(default.sizes, default.aspect_ratios)
        head = DenseHead(
            channels, anchors.num_anchors_per_location()[0], num_classes + 1, norm_layer=partial(nn.GroupNorm, 32)
        )
        head.regression_head._loss_type = "giou"
        super().__init__(
            pyramid, num_classes + 1, short_side, longest_side, anchor_generator=anchors, head=head, _skip_resize=True
        )
