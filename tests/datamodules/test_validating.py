"""What is held out of training is there too where a Trainer does nothing but validate."""

import pytest

from tests.datamodules import imdb_batches, test_librispeech, wmt_batches
from tests.datamodules.fitting import trainer

pytestmark = pytest.mark.usefixtures("own_place")
reviews = imdb_batches.tree


def held_out(datamodule, stage):
    """Positions of what is validated by, once `setup` has run for nothing but this stage."""
    datamodule.setup(stage)
    datamodule.trainer = trainer()
    loaders = datamodule.val_dataloader()
    loaders = loaders if isinstance(loaders, list) else [loaders]
    return [position for loader in loaders for batch in loader for position in batch["index"]]


def test_validating_alone_sees_what_training_does(wmt_tree, librispeech_tree, reviews):
    for data, tree in (
        (wmt_batches.data, wmt_tree),
        (test_librispeech.data, librispeech_tree),
        (imdb_batches.data, reviews),
    ):
        found = held_out(data(tree), "validate")
        assert sorted(found) == list(range(len(found)))
        assert found == held_out(data(tree), "fit") != []
