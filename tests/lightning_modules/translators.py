"""Small translators, and trainers that train them a little."""

from functools import partial

import lightning
import torch
from lightning.pytorch import Trainer

from benchmarks.evaluation import quiet
from lightning_modules.beam_search import BeamSearch
from lightning_modules.networks.gnmt import Gnmt
from lightning_modules.networks.transformer import Transformer
from lightning_modules.schedules import InverseSquareRoot
from lightning_modules.translation import Translator
from tests.datamodules.wmt_batches import data

NETWORKS = {
    "transformer": partial(Transformer, width=16, heads=2, feedforward=32, layers=1, dropout=0.0),
    "gnmt": partial(Gnmt, width=16, layers=2, dropout=0.0),
}
SEARCH = {"transformer": BeamSearch(3, 0.6), "gnmt": BeamSearch(3, 0.6, 0.1)}
SGD = partial(torch.optim.SGD, lr=0.5)
ADAM = partial(torch.optim.Adam, lr=0.01)


def translator(name="transformer", optimizer=ADAM, averaging=None, **changes):
    settings = {"schedule": InverseSquareRoot(4), "label_smoothing": 0.1, "search": SEARCH[name]} | changes
    return Translator(NETWORKS[name], optimizer, averaging=averaging, **settings)


def trainer(*callbacks, **changes):
    settings = {
        "accelerator": "cpu", "devices": 1, "max_epochs": 2, "logger": False, "enable_checkpointing": False,
        "use_distributed_sampler": False, "num_sanity_val_steps": 0, "limit_val_batches": 0,
    } | quiet() | changes  # fmt: skip
    return Trainer(callbacks=list(callbacks), **settings)


def trained(tree, name="transformer", *callbacks, module=None, **changes):
    """A trainer that has trained a little."""
    lightning.seed_everything(0, verbose=False)
    found = trainer(*callbacks, **changes)
    found.fit(module or translator(name), datamodule=data(tree))
    return found
