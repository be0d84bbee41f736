"""Detectors: equal to torchvision's, begun from our own ImageNet weights, and scored in the loop as by the file."""

from functools import partial
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from torch import distributed, multiprocessing, nn
from torchvision import models
from torchvision.models import detection as published

from benchmarks.errors import UserError
from datamodules.layouts.coco import truth as truth_of
from lightning_modules import coco_metric
from lightning_modules.coco_metric import CocoMetric
from lightning_modules.detection import Detector
from lightning_modules.networks.detectors import FasterRCNN, RetinaNet
from lightning_modules.networks.resnet import ResNet
from lightning_modules.schedules import stepped
from lightning_modules.transfer import load_backbone
from results.scoring import detection

RESNET50 = partial(ResNet, depths=[3, 4, 6, 3], bottleneck=True, blur_pool=False)
SMALL = partial(ResNet, depths=[1, 1, 1], bottleneck=False, width=8, blur_pool=False)
NETWORKS = {
    "faster_rcnn": (partial(FasterRCNN, frozen_norm=False), published.fasterrcnn_resnet50_fpn),
    "faster_rcnn_v2": (partial(FasterRCNN, frozen_norm=False, heads="second"), published.fasterrcnn_resnet50_fpn_v2),
    "retinanet_v2": (RetinaNet, published.retinanet_resnet50_fpn_v2),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_networks_are_torchvisions(name):
    ours, theirs = NETWORKS[name]
    torch.manual_seed(0)
    reference = theirs(weights=None, weights_backbone=None, num_classes=8, min_size=64, max_size=96).eval()
    network = ours(7, 64, 96, RESNET50).eval()
    network.load_state_dict(reference.state_dict())
    image = torch.rand(3, 50, 70, generator=torch.Generator().manual_seed(1))
    for each in (network, reference):  # so that there is something to compare
        (each.roi_heads if hasattr(each, "roi_heads") else each).score_thresh = 0.0
    with torch.no_grad():
        (one,), (other,) = network([image]), reference([image])
    assert len(one["scores"]) > 0
    for key in ("boxes", "labels", "scores"):
        assert torch.equal(one[key], other[key])


@pytest.mark.parametrize("name", ["faster_rcnn", "faster_rcnn_v2", "retinanet_v2"])
def test_boxes_are_computed_in_float32_in_mixed_precision_too(name):
    """In bf16 a coordinate beyond 512 would be a multiple of 4."""
    torch.manual_seed(0)
    body = partial(ResNet, depths=[1, 1, 1, 1], bottleneck=False, width=8, blur_pool=False)
    network = NETWORKS[name][0](7, 640, 900, body, channels=32).eval()
    (network.roi_heads if hasattr(network, "roi_heads") else network).score_thresh = 0.0
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        (found,) = network([torch.rand(3, 320, 400)])
    boxes = found["boxes"]
    assert (boxes.dtype, found["scores"].dtype) == (torch.float32, torch.float32)
    far = boxes[(boxes > 256) & (boxes < boxes.max())]
    assert len(far) > 20
    assert (far != far.bfloat16().float()).float().mean() > 0.5


def test_frozen_norms_keep_the_precision_of_what_they_are_given():
    """Torchvision's give float32, so that all activations of the network would take twice the memory."""
    body = FasterRCNN(7, 64, 96, SMALL, channels=16).backbone.body
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert {found.dtype for found in body.features(torch.rand(1, 3, 64, 64))} == {torch.bfloat16}


def test_frozen_norms_are_those_that_the_body_came_with():
    body, images = SMALL(1), torch.rand(2, 3, 64, 64)
    for norm in (module for module in body.modules() if isinstance(module, nn.BatchNorm2d)):
        norm.eps = 0.1
        for values in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
            values.uniform_(0.5, 1.5)
    expected = body.eval().features(images)
    frozen = FasterRCNN(7, 64, 96, lambda classes: body, channels=16).backbone.body.train()
    for found, due in zip(frozen.features(images), expected, strict=True):
        torch.testing.assert_close(found, due)


def test_frozen_stages_and_norms_do_not_learn():
    network = FasterRCNN(7, 64, 96, SMALL, frozen_stages=2, channels=16)
    learning = {name for name, parameter in network.backbone.body.named_parameters() if parameter.requires_grad}
    assert not any(name.startswith(("conv1", "bn1", "layer1")) for name in learning)
    assert {name.split(".")[0] for name in learning} == {"layer2", "layer3"}
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.backbone.body.modules())


def test_training_images_keep_their_size():
    network = FasterRCNN(7, 64, 96, SMALL, channels=16).train()
    targets = [{"boxes": torch.tensor([[2.0, 2, 9, 9]]), "labels": torch.tensor([1])}]
    images, (target,) = network.transform([torch.zeros(3, 33, 47)], targets)
    assert images.image_sizes == [(33, 47)]
    assert target["boxes"].tolist() == [[2, 2, 9, 9]]
    images, _ = network.eval().transform([torch.zeros(3, 33, 47)])
    assert images.image_sizes == [(64, 91)], "a test image gets its short side"


def imagenet_checkpoint(path, **changes):
    body = SMALL(20) if not changes else ResNet(20, **{"depths": [1, 1, 1], "bottleneck": False, "width": 8} | changes)
    state = {f"network.{name}": value for name, value in body.state_dict().items()}
    torch.save({"state_dict": state | {"val_top1.tp": torch.zeros(1)}, "suite": {}}, path)
    return body


def test_begins_with_the_weights_of_our_own_imagenet(tmp_path):
    source = imagenet_checkpoint(tmp_path / "last.ckpt")
    body = FasterRCNN(7, 64, 96, SMALL, channels=16).backbone.body
    load_backbone(body, str(tmp_path / "last.ckpt"))
    for name, value in body.state_dict().items():
        assert torch.equal(value, source.state_dict()[name]), name


def test_begins_with_the_weights_of_torchvision(tmp_path, monkeypatch):
    """The published file itself cannot be had here; this one has its names and shapes."""
    source = models.resnet50()
    torch.save(source.state_dict(), tmp_path / "resnet50.pth")
    monkeypatch.setattr("lightning_modules.transfer.cached_file", lambda entry: tmp_path / "resnet50.pth")
    body = FasterRCNN(7, 64, 96, RESNET50, channels=16).backbone.body
    load_backbone(body, "ResNet50_Weights.IMAGENET1K_V1")
    for name, value in body.state_dict().items():
        assert torch.equal(value, source.state_dict()[name]), name


def test_published_detectors_are_those_of_coco(coco_tree, monkeypatch):
    """With random weights in the published ones' place."""
    entry = models.get_weight("FasterRCNN_ResNet50_FPN_Weights.COCO_V1")
    monkeypatch.setattr("lightning_modules.published_detection.cached_file", lambda entry: None)
    monkeypatch.setattr(type(entry), "get_state_dict", lambda *_, **__: random_published_state())
    module = Detector.published("FasterRCNN_ResNet50_FPN_Weights.COCO_V1")
    assert module.data_settings == {"short_side": 800, "longest_side": 1333}
    names = {label: name for label, name in module.labels.items() if name not in ("__background__", "N/A")}
    coco = SimpleNamespace(categories=tuple(names), truth=SimpleNamespace(names=tuple(names.values())))
    assert len(names) == 80
    assert list(module.category_ids(coco)) == list(range(91)), "labels are ids"
    miniature = truth_of(str(coco_tree), "val2017")
    with pytest.raises(UserError, match="tell COCO's 80 categories apart, but DATA has 24"):
        module.category_ids(SimpleNamespace(categories=miniature.categories, truth=miniature))
    for wrong, message in (("ResNet50_Weights.IMAGENET1K_V1", "no detector"), ("FasterRCNN.V9", "unknown")):
        with pytest.raises(UserError, match=message):
            Detector.published(wrong)


def random_published_state():
    network = published.fasterrcnn_resnet50_fpn(weights=None, weights_backbone=None)
    state = network.state_dict()
    return {name: value for name, value in state.items() if not name.endswith("num_batches_tracked")}


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"width": 4}, "another network"), ({"depths": [1, 1]}, "are missing"), ({"blur_pool": True}, "blur_pool")],
)  # fmt: skip
def test_weights_of_another_network_are_refused(tmp_path, changes, message):
    imagenet_checkpoint(tmp_path / "last.ckpt", **changes)
    body = FasterRCNN(7, 64, 96, SMALL, channels=16).backbone.body
    with pytest.raises(UserError, match=message):
        load_backbone(body, str(tmp_path / "last.ckpt"))
    with pytest.raises(UserError, match="there is no file"):
        load_backbone(body, str(tmp_path / "other.ckpt"))
    with pytest.raises(UserError, match="unknown to torchvision"):
        load_backbone(body, "ResNet51_Weights.V1")


def test_the_learning_rate_rises_and_drops():
    share = partial(stepped, warm_up=10, start=0.1, drops=[100, 150])
    assert share(0) == pytest.approx(0.1)
    assert share(5) == pytest.approx(0.55)
    assert share(10) == share(99) == 1
    assert share(100) == pytest.approx(0.1)
    assert share(150) == pytest.approx(0.01)
    assert stepped(0, 0, 0.1, []) == 1


def detector(**changes):
    settings = {"warm_up": 0, "warm_up_start": 0.1, "drops": [1.0, 2.5]} | changes
    return Detector(partial(FasterRCNN, body=SMALL, channels=16), partial(torch.optim.SGD, lr=0.1), **settings)


def test_drops_are_counted_in_epochs():
    """Of four steps each: a tenth from step 4 on, a hundredth from step 10 on."""
    module = detector()
    module.network = nn.Linear(1, 1)
    module._trainer = SimpleNamespace(datamodule=SimpleNamespace(steps_per_epoch=4))
    found = module.configure_optimizers()
    rates = []
    for _ in range(12):
        rates.append(found["optimizer"].param_groups[0]["lr"])
        found["optimizer"].step()
        found["lr_scheduler"]["scheduler"].step()
    assert rates == pytest.approx([0.1] * 4 + [0.01] * 6 + [0.001] * 2)


class Told(nn.Module):
    """A network with two losses that keeps what it was told."""

    def forward(self, images, targets):
        self.images, self.targets = images, targets
        return {"class": torch.tensor(0.25), "box": torch.tensor(2.0)}


def test_a_network_is_trained_on_labels_after_the_background_and_on_all_its_losses(monkeypatch):
    monkeypatch.setattr(Detector, "log", lambda *_, **__: None)
    module = detector()
    module.network, module._trainer = Told(), SimpleNamespace(global_step=0)
    boxes = torch.tensor([[0.0, 0, 4, 4], [1, 1, 2, 3]])
    batch = {
        "image": [torch.full((3, 8, 8), 51, dtype=torch.uint8)], "boxes": [boxes], "labels": [torch.tensor([0, 6])],
        "index": [3],
    }  # fmt: skip
    assert module.training_step(batch, 0) == 2.25
    (target,) = module.network.targets
    assert target["labels"].tolist() == [1, 7], "0 is the background"
    assert torch.equal(target["boxes"], boxes)
    assert module.network.images[0].unique().item() == pytest.approx(0.2)


def test_norms_have_a_weight_decay_of_their_own():
    module = Detector(
        partial(FasterRCNN, body=SMALL, channels=16, frozen_norm=False, frozen_stages=0),
        partial(torch.optim.SGD, lr=0.1, weight_decay=1e-4), 1, 0.1, [2.0], norm_weight_decay=0.0,
    )  # fmt: skip
    module.network = module.make_network(7, 64, 96)
    rest, norms = module._groups()
    assert norms["weight_decay"] == 0
    assert {parameter.ndim for parameter in norms["params"]} == {1}
    assert sum(len(group["params"]) for group in (rest, norms)) == len(list(module.parameters()))


def random_detections(truth, seed):
    rng = np.random.default_rng(seed)
    rows = []
    for index in range(len(truth.ids)):
        for g in np.flatnonzero(truth.objects.image == index):
            box = truth.objects.boxes[g] + rng.normal(0, 2, 4)
            category = truth.categories[truth.objects.category[g]]
            rows.append([index, category, *box[:2], *np.maximum(box[2:], 1), round(rng.random(), 2)])
    return np.array(rows)


def test_the_loop_scores_what_the_file_scores(coco_tree, tmp_path):
    """Faster-coco-eval against our own matching: two implementations, one value; in any order of arrival."""
    truth = truth_of(str(coco_tree), "val2017")
    rows = random_detections(truth, 3)
    by_image = [rows[rows[:, 0] == index, 1:].tolist() for index in range(len(truth.ids))]
    detection.write(tmp_path, by_image, truth)
    expected = detection.score(detection.read(tmp_path, truth), truth)
    metric = CocoMetric(truth)
    for index in np.random.default_rng(0).permutation(len(truth.ids)):
        metric.update(torch.tensor([index]), torch.tensor(rows[rows[:, 0] == index]).reshape(-1, 7))
    found = metric.compute()
    assert {name for name in expected if "/" not in name} == set(found)
    assert 10 < expected["AP"] < 90
    for name, value in found.items():
        assert value == pytest.approx(expected[name], abs=1e-9), name


def test_the_first_of_two_ranks_scores_for_both(coco_tree, tmp_path):
    """To the last digit as one does, from unequal shares."""
    truth = truth_of(str(coco_tree), "val2017")
    multiprocessing.spawn(_rank, (truth, tmp_path), nprocs=2)
    alone = CocoMetric(truth)
    alone.update(torch.arange(len(truth.ids)), torch.tensor(random_detections(truth, 3)))
    for rank, scored in enumerate(["once", "never"]):
        assert (tmp_path / f"{rank}.txt").read_text() == f"{scored} {alone.compute()}"


def _rank(rank, truth, folder):
    distributed.init_process_group("gloo", f"file://{folder / 'meeting'}", world_size=2, rank=rank)
    metric, rows = CocoMetric(truth), torch.tensor(random_detections(truth, 3))
    images = torch.arange(len(truth.ids))
    metric.update((images[:3], images[3:])[rank], (rows[:7], rows[7:])[rank])
    with patch.object(coco_metric, "COCOeval_faster", wraps=coco_metric.COCOeval_faster) as counted:
        found = metric.compute()
    (folder / f"{rank}.txt").write_text(f"{('never', 'once')[counted.call_count]} {found}")
    distributed.destroy_process_group()


def test_no_detection_at_all_is_a_score_of_zero(coco_tree):
    truth = truth_of(str(coco_tree), "val2017")
    metric = CocoMetric(truth)
    metric.update(torch.arange(len(truth.ids)), torch.empty(0, 7, dtype=torch.float64))
    assert metric.compute()["AP"] == 0


def test_images_that_were_never_looked_at_are_not_missed(coco_tree):
    """As where Lightning is told to look at a part: what is found perfectly there is a score of 100."""
    truth = truth_of(str(coco_tree), "val2017")
    objects, metric = truth.objects, CocoMetric(truth)
    seen = np.arange(len(truth.ids)) < len(truth.ids) // 3
    on_them = np.flatnonzero(seen[objects.image] & ~objects.crowd)
    category = np.array(truth.categories)[objects.category[on_them]]
    rows = np.column_stack([objects.image[on_them], category, objects.boxes[on_them], np.ones(len(on_them))])
    metric.update(torch.from_numpy(np.flatnonzero(seen)), torch.from_numpy(rows))
    assert metric.compute()["AP"] == pytest.approx(100)


def test_rows_are_what_a_file_holds():
    """Corners to width and height, labels to ids, seven significant digits."""
    module = SimpleNamespace(categories=(0, 5, 90))
    boxes = torch.tensor([[1.0, 2, 4, 8], [10.123456789, 0, 20, 5]])
    detected = {"boxes": boxes, "labels": torch.tensor([2, 1]), "scores": torch.tensor([0.123456789, 1.0])}
    first, second = Detector._rows(module, detected)
    assert first == [90, 1.0, 2.0, 3.0, 6.0, 0.1234568]
    assert second[:2] == [5, 10.12346]
