"""The classifier's recipe at hand-worked points, and its scores against scikit-learn."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.metrics import top_k_accuracy_score
from torch import nn

from benchmarks.errors import Failure
from datamodules.batch_memory import BatchMemory
from datamodules.imagenet_examples import EvaluationImages
from lightning_modules import classification
from lightning_modules.classification import ImageClassifier
from lightning_modules.networks.resnet import ResNet


def small_network(classes):
    return ResNet(classes, [1, 1, 1, 1], bottleneck=True, width=8)


def classifier(network=small_network, classes=20, epochs=32, steps=10, batch=1024, **changes):
    recipe = {
        "learning_rate_per_256": 0.5, "peak_epoch": 2, "momentum": 0.9, "weight_decay": 1e-4, "label_smoothing": 0.1,
    }  # fmt: skip
    module = ImageClassifier(network, **recipe | changes)
    datamodule = SimpleNamespace(num_classes=classes, global_batch_size=batch, steps_per_epoch=steps)
    module._trainer = SimpleNamespace(datamodule=datamodule, max_epochs=epochs, global_step=7)
    module._fabric = None
    module.configure_model()
    return module


# The recipe.


def test_learning_rates_by_hand():
    """0.5 per 256 images makes a peak of 2.0 at 1,024; reached after two epochs of ten steps; then to zero."""
    module = classifier(epochs=12)
    configured = module.configure_optimizers()
    optimizer, scheduler = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    assert configured["lr_scheduler"]["interval"] == "step"
    rates = []
    for _ in range(121):
        rates.append(optimizer.param_groups[0]["lr"])
        assert optimizer.param_groups[1]["lr"] == rates[-1]
        optimizer.step()
        scheduler.step()
    assert rates[0] == pytest.approx(2e-4)  # 1e-4 of the peak
    assert rates[10] == pytest.approx(1.0001)  # halfway up from 0.0002 to 2
    assert rates[20] == pytest.approx(2.0)
    assert rates[70] == pytest.approx(1.0)  # halfway down: epoch 7 between 2 and 12
    assert rates[119] == pytest.approx(0.02)  # a hundredth of the way from the end
    assert rates[120] == pytest.approx(0.0)


def test_the_schedule_asks_once_how_many_steps_an_epoch_has():
    """It is asked for the rate at every step, and the datamodule counts its images for an answer."""
    module = classifier()
    scheduler = module.configure_optimizers()["lr_scheduler"]["scheduler"]
    del module.trainer.datamodule.steps_per_epoch
    assert scheduler.lr_lambdas[0](20) == 1.0


def test_the_schedule_is_the_sources():
    """libffcv/ffcv-imagenet: get_cyclic_lr at the epochs, np.interp over the iterations between them."""
    epochs, iterations, rate = 16, 9, 1.7
    module = classifier(epochs=epochs, steps=iterations, batch=256, learning_rate_per_256=rate)
    scheduler = module.configure_optimizers()["lr_scheduler"]["scheduler"]

    def get_lr(epoch):
        return np.interp([epoch], [0, 2, epochs], [1e-4 * rate, rate, 0])[0]

    for epoch in range(epochs):
        lrs = np.interp(np.arange(iterations), [0, iterations], [get_lr(epoch), get_lr(epoch + 1)])
        ours = [scheduler.lr_lambdas[0](epoch * iterations + iteration) * rate for iteration in range(iterations)]
        assert ours == pytest.approx(lrs, rel=1e-12)


def test_weight_decay_spares_norms_and_biases():
    module = classifier()
    decayed, spared = module.configure_optimizers()["optimizer"].param_groups
    assert (decayed["weight_decay"], spared["weight_decay"]) == (1e-4, 0.0)
    assert decayed["momentum"] == spared["momentum"] == 0.9
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    norms = {
        id(parameter)
        for part in module.modules() if isinstance(part, nn.BatchNorm2d)
        for parameter in part.parameters()
    }  # fmt: skip
    biases = {id(parameter) for name, parameter in module.named_parameters() if name.endswith("bias")}
    assert {id(parameter) for parameter in spared["params"]} == norms | biases
    assert {id(p) for p in decayed["params"]} | {id(p) for p in spared["params"]} == set(names)
    assert len(decayed["params"]) + len(spared["params"]) == len(names)
    assert {names[id(p)].rsplit(".", 1)[1] for p in decayed["params"]} == {"weight"}


def test_the_loss_by_hand():
    """Two classes, logits (0, ln 3): probabilities 1/4 and 3/4; smoothing 0.1 leaves 0.95 on the label."""
    module = classifier(network=lambda classes: Fixed(torch.tensor([[0.0, np.log(3.0)]])), classes=2)
    module.log = lambda *arguments, **options: None
    loss = module.training_step(one_image(), 0)
    assert float(loss) == pytest.approx(-0.95 * np.log(1 / 4) - 0.05 * np.log(3 / 4), rel=1e-6)


def test_a_loss_that_is_not_finite_ends_the_run_with_the_step():
    module = classifier(network=lambda classes: Fixed(torch.tensor([[0.0, torch.inf]])), classes=2)
    module.log = lambda *arguments, **options: None
    module.training_step(one_image(), 0)
    with pytest.raises(Failure, match=r"^at step 7 the loss is not finite$") as caught:
        module.on_after_backward()
    found = caught.value.state
    assert (found["step"], found["index"].tolist(), found["label"].tolist()) == (7, [5], [0])
    assert found["logits"].tolist() == [[0.0, torch.inf]]


def one_image():
    image = torch.zeros(1, 3, 2, 2, dtype=torch.uint8)
    return {"image": image, "label": torch.tensor([0]), "index": torch.tensor([5])}


# Scores.


class Fixed(nn.Module):
    """Returns its logits, batch by batch, whatever the images."""

    def __init__(self, logits):
        super().__init__()
        self.logits, self.given = logits, 0

    def forward(self, images):
        self.given += len(images)
        return self.logits[self.given - len(images) : self.given]


def scored(logits, labels, batch, stage="test"):
    """(metrics in percent, predictions) of the classifier whose logits are given."""
    module = classifier(network=lambda classes: Fixed(logits), classes=logits.shape[1])
    logged, predictions = {}, []
    module.log = lambda name, value, **options: logged.update({name: float(value)})
    for start in range(0, len(labels), batch):
        part = labels[start : start + batch]
        data = {
            "image": torch.zeros(len(part), 3, 4, 4, dtype=torch.uint8), "label": part,
            "index": torch.arange(start, start + len(part)),
        }  # fmt: skip
        predictions.append(getattr(module, "test_step" if stage == "test" else "validation_step")(data, 0))
    getattr(module, "on_test_epoch_end" if stage == "test" else "on_validation_epoch_end")()
    return logged, predictions


def file_accuracy(predictions, labels, k):
    """As the predictions file has it."""
    rows = [row for part in predictions for row in part["predictions"]]
    return 100 * np.mean([label in row["classes"][:k] for row, label in zip(rows, labels.tolist(), strict=True)])


@pytest.mark.parametrize("stage", ["test", "val"])
@pytest.mark.parametrize(("count", "classes", "batch"), [(500, 20, 64), (37, 7, 8), (1, 20, 8), (9, 1000, 1)])
def test_scores_are_scikit_learns(count, classes, batch, stage):
    generator = torch.Generator().manual_seed(count)
    logits = torch.randn(count, classes, generator=generator)
    labels = torch.randint(0, classes, (count,), generator=generator)
    logits[torch.arange(count), labels] += 1.5
    logged, predictions = scored(logits, labels, batch, stage)
    for k in (1, 5):
        expected = 100 * top_k_accuracy_score(labels, logits, k=k, labels=range(classes))
        assert logged[f"{stage}/top{k}"] == pytest.approx(expected, rel=1e-6)
        if stage == "test":
            assert file_accuracy(predictions, labels, k) == pytest.approx(expected, rel=1e-12)


def test_predictions_are_the_best_five_in_order():
    logits = torch.tensor([[0.0, 3.0, 1.0, 2.0, -1.0, -2.0]])
    _, (part,) = scored(logits, torch.tensor([3]), 1)
    (row,) = part["predictions"]
    assert part["index"] == [0]
    assert row["classes"] == [1, 3, 2, 0, 4]
    assert row["scores"] == pytest.approx(logits.double().softmax(1)[0, [1, 3, 2, 0, 4]].tolist(), rel=1e-6)


def test_ties_are_broken_alike_by_the_metric_and_the_file():
    """Logits in bf16 tie for 2-3 % of a thousand-class problem's best classes; the smaller index comes first."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3000, 1000, generator=generator).bfloat16().float()
    labels = logits.topk(2).indices[:, 1]
    tied = (logits.sort(descending=True).values.diff(dim=1)[:, :5] == 0).any(dim=1)
    assert tied.sum() > 100
    logged, predictions = scored(logits, labels, 256)
    for k in (1, 5):
        assert logged[f"test/top{k}"] == pytest.approx(file_accuracy(predictions, labels, k), rel=1e-6)
    # Ties at the fifth place, too: of a hundred classes, each has one of six logits.
    logits = torch.randint(0, 6, (3000, 100), generator=generator).float()
    labels = torch.randint(0, 100, (3000,), generator=generator)
    logged, predictions = scored(logits, labels, 256)
    assert logged["test/top5"] == pytest.approx(file_accuracy(predictions, labels, 5), rel=1e-6)
    for row, given in zip(predictions[0]["predictions"], logits.tolist(), strict=False):
        assert row["classes"] == sorted(range(100), key=lambda label: (-given[label], label))[:5]


def test_an_empty_batch_is_harmless():
    """What a rank gets in the last round when its turn does not come."""
    module = classifier()
    empty = EvaluationImages(
        SimpleNamespace(labels=np.zeros(2, np.int64)), BatchMemory(0), 72, 64, "bilinear"
    ).__getitems__([])
    assert module.test_step(empty, 0) == {"index": [], "predictions": []}
    assert module.validation_step(empty, 0) is None
    images = torch.zeros(2, 3, 32, 32, dtype=torch.uint8)
    whole = {"image": images, "label": torch.tensor([1, 2]), "index": torch.arange(2)}
    module.eval()
    module.test_step(whole, 0)
    module.test_step(empty, 1)
    assert float(module.accuracies["test/top5"].compute()) in (0.0, 0.5, 1.0)


@pytest.mark.parametrize(
    ("on_gpu", "compiler", "compiled"), [(True, "gcc", True), (True, None, False), (False, "gcc", None)]
)
def test_the_step_is_compiled_where_a_gpu_gains_by_it(monkeypatch, on_gpu, compiler, compiled):
    monkeypatch.setattr(classification, "kernel_compiler", lambda: compiler)
    monkeypatch.setattr(ImageClassifier, "on_gpu", on_gpu)
    module = classifier()
    assert module.compiled is None
    module.on_fit_start()
    assert (module.learn != module.losses) is (compiled is True)
    monkeypatch.setattr(ImageClassifier, "on_gpu", False)  # as Lightning leaves it, before the record is written
    assert module.compiled is compiled
