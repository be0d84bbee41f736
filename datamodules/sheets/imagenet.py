"""The most confident mistakes of an image classifier as one self-contained page: each image with its five guesses."""

from PIL import Image

from datamodules.layouts.imagenet import open_split
from datamodules.layouts.imagenet_split import Split
from datamodules.sheets.page import page
from datamodules.sheets.thumbnails import data_address
from results.scoring.classification import Predictions

SHOWN = 24
SIDE = 160  # pixels; 24 such JPEGs stay well under 300 kB


def sheet(title: str, root: str, split: str, predictions: Predictions) -> str:
    """HTML of the mistakes with the highest probability on the wrong class, under 300 kB.

    Args:
        title: of the page.
        root: of the data.
        split: that was predicted.
        predictions: in the order of the split.
    """
    images = open_split(root, split)
    wrong = predictions.mistakes(images.labels)
    examples = [_example(images, i, predictions) for i in wrong[:SHOWN]]
    return page("imagenet.html", title=title, wrong=len(wrong), total=len(images), examples=examples)


def _example(images: Split, index: int, predictions: Predictions) -> dict[str, object]:
    label = int(images.labels[index])
    guesses = zip(predictions.classes[index].tolist(), predictions.scores[index].tolist(), strict=True)
    return {
        "id": images.identity(index),
        "label": images.classes[label],
        "guesses": [(images.classes[guess], score, guess == label) for guess, score in guesses],
        "image": _thumbnail(images, index),
    }


def _thumbnail(images: Split, index: int) -> str:
    with images.open(index) as stream, Image.open(stream) as image:
        image.draft("RGB", (2 * SIDE, 2 * SIDE))
        return data_address(image.convert("RGB"), SIDE)
