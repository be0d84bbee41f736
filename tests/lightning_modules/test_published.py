"""Torchvision's published classifiers, whose builders do more than load weights; the weights here are made up."""

import re

import pytest
import torch
from torch import nn
from torchvision import models

from benchmarks.errors import UserError
from lightning_modules.classification import ImageClassifier


@pytest.fixture
def published(monkeypatch):
    """Makes the module of a published name, as if this state of its network had been published."""
    monkeypatch.setattr("lightning_modules.published.cached_file", lambda entry: None)

    def make(name, state):
        monkeypatch.setattr(type(models.get_weight(name)), "get_state_dict", lambda *_, **__: state)
        module = ImageClassifier.published(name)
        module.network = module.build_network(1000)
        return module

    return make


@pytest.mark.parametrize(
    ("name", "weights"),
    [("inception_v3", "Inception_V3_Weights.IMAGENET1K_V1"), ("googlenet", "GoogLeNet_Weights.IMAGENET1K_V1")],
)
def test_inception_sees_pixels_from_minus_one_to_one(published, name, weights):
    """Its weights came from TensorFlow, which prepared images so; their preset prepares them as for other networks."""
    module = published(weights, models.get_model(name, weights=None, init_weights=False).state_dict()).eval()
    images = torch.randint(256, (2, 3, 96, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    seen = []
    next(module.network.children()).register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        assert module(images).shape == (2, 1000), "and no auxiliary logits"
    torch.testing.assert_close(seen[0], images / 127.5 - 1, rtol=0, atol=1e-5)


def test_densenets_are_published_under_names_that_torch_no_longer_allows(published):
    state = models.densenet121(weights=None).state_dict()
    old = {re.sub(r"(denselayer\d+\.(?:norm|conv))([12])\.", r"\1.\2.", name): value for name, value in state.items()}
    old = {name: value for name, value in old.items() if not name.endswith("num_batches_tracked")}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    found = published("DenseNet121_Weights.IMAGENET1K_V1", dict(old)).network.state_dict()
    assert found.keys() == state.keys()
    for name, value in state.items():
        assert torch.equal(found[name], value), name


@pytest.mark.parametrize(("name", "side"), [("ViT_B_16", 384), ("ViT_L_16", 512), ("ViT_H_14", 518)])
def test_transformers_are_as_large_as_the_images_they_were_tuned_on(published, name, side):
    with torch.device("meta"):  # hundreds of millions of weights, of which shapes are enough
        state = models.get_model(name.lower(), weights=None, image_size=side).state_dict()
        module = published(f"{name}_Weights.IMAGENET1K_SWAG_E2E_V1", state)
        assert module.network.image_size == module.data_settings["crop"] == side
        assert module.network(torch.empty(1, 3, side, side)).shape == (1, 1000)


SMALL = "SqueezeNet1_1_Weights.IMAGENET1K_V1"


def test_weights_of_another_network_are_refused(published):
    words = rf"^the weights {SMALL} do not fit torchvision's squeezenet1_1 \(Missing key\(s\) .* Run `make install`"
    with pytest.raises(UserError, match=words) as caught:
        published(SMALL, nn.Linear(1, 1).state_dict())
    assert "\n" not in str(caught.value)


def test_another_failure_is_none_of_the_weights(published, monkeypatch):
    def exhausted(*_, **__):
        raise RuntimeError("not enough memory")

    monkeypatch.setattr("torchvision.models.squeezenet.SqueezeNet.load_state_dict", exhausted)
    with pytest.raises(RuntimeError, match=r"^not enough memory$"):
        published(SMALL, {})


def test_data_of_other_classes_are_refused(published):
    module = published(SMALL, models.squeezenet1_1(weights=None).state_dict())
    with pytest.raises(UserError, match="tell 1000 classes apart, but DATA has 20"):
        module.build_network(20)
