"""A small text classifier and batches of texts for it."""

import torch

from datamodules.imdb import encoded
from datamodules.subwords import padded
from lightning_modules.schedules import Cosine
from lightning_modules.text_classifier import TextClassifier
from tests.lightning_modules.test_language_model import ADAM, NETWORK, VOCABULARY

LONGEST = 24


def classifier(optimizer=ADAM, network=NETWORK, **changes):
    return TextClassifier(
        network, optimizer, **({"schedule": Cosine(0.1), "layer_decay": 0.5, "dropout": 0.0} | changes)
    )


def labelled(texts, labels):
    rows = [encoded(VOCABULARY, text, LONGEST) for text in texts]
    return {"tokens": padded(rows), "counts": list(map(len, rows)), "label": torch.tensor(labels)}


def asked(texts, labels, first=0):
    return {"texts": texts, "label": torch.tensor(labels), "index": list(range(first, first + len(texts)))}
