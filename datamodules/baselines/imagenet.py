"""What trivial systems make of an image set: always the commonest class, and a linear model on 8x8 thumbnails."""

import numpy as np
from PIL import Image

from benchmarks.arrays import Floats, Floats32
from datamodules.baselines.ranked import Prediction, majority_class, ranked
from datamodules.layouts.imagenet import open_split
from datamodules.layouts.imagenet_split import Split
from datamodules.progress import progress

SIDE = 8
MOST_TRAINING_IMAGES = 20_000  # a linear model of 192 inputs learns nothing from more


def baselines(root: str, split: str) -> dict[str, list[Prediction]]:
    """Name -> predictions for every image of `split` in its order, fitted on `train`."""
    train, test = open_split(root, "train"), open_split(root, split)
    return {
        "majority_class": majority_class(train.labels, len(train.classes), len(test)),
        "linear_8x8": ranked(_linear(train, test)),
    }


def _linear(train: Split, test: Split) -> Floats:
    """Class probabilities [n, classes] of logistic regression on thumbnails."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    chosen = range(0, len(train), -(-len(train) // MOST_TRAINING_IMAGES))
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300, C=0.01))
    model.fit(_thumbnails(train, chosen), train.labels[list(chosen)])
    probabilities = np.zeros((len(test), len(train.classes)))
    probabilities[:, model.classes_] = model.predict_proba(_thumbnails(test, range(len(test))))
    return probabilities


def _thumbnails(split: Split, indices: range) -> Floats32:
    """Pixels [n, 8 * 8 * 3], 0-1."""
    pixels = np.empty((len(indices), SIDE * SIDE * 3), np.float32)
    for row, index in enumerate(progress(indices, len(indices), f"thumbnails of {split.name}", "image")):
        with split.open(index) as stream, Image.open(stream) as image:
            image.draft("RGB", (64, 64))  # lets libjpeg scale while decoding
            pixels[row] = np.asarray(image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BOX)).ravel() / 255
    return pixels
