"""First weights of an encoder of texts, from a checkpoint of its pretraining."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor, nn

from benchmarks.checkpointing import load_checkpoint
from benchmarks.errors import UserError
from benchmarks.paths import relative
from datamodules.subwords import Subwords
from lightning_modules.transfer import of_network
from lightning_modules.vocabulary import SUBWORDS


def load_encoder(network: nn.Module, path: Path, subwords: Subwords) -> None:
    """Loads all weights of an encoder, and nothing else of the checkpoint.

    Args:
        network: the encoder.
        path: of the checkpoint.
        subwords: the vocabulary that the encoder is going to read.

    Raises:
        UserError: the file is no checkpoint of this suite, or has no encoder, another one, or another vocabulary.
    """
    checkpoint = load_checkpoint(path)
    weights = of_network(checkpoint["state_dict"])
    if SUBWORDS not in checkpoint or not weights:
        raise UserError(
            f"init_from={relative(path)} holds no encoder of texts. Give the checkpoint of a masked-language "
            "pretraining."
        )
    _require_same_network(weights, network.state_dict(), path)
    if checkpoint[SUBWORDS].numpy().tobytes() != subwords.model:
        raise UserError(
            f"init_from={relative(path)} was trained with another vocabulary than this run's. Pretrain on the very "
            "data that DATA names, with the same data.init_args.subwords."
        )
    network.load_state_dict(weights)


def _require_same_network(weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor], path: Path) -> None:
    """All names and shapes must agree: with some layers more or less, the rest would fit and yet be another network."""
    names = [*wanted, *(name for name in weights if name not in wanted)]
    unlike = [name for name in names if _shape(weights, name) != _shape(wanted, name)]
    if unlike:
        first = f"first {unlike[0]}: {_shape(weights, unlike[0])} there, {_shape(wanted, unlike[0])} here"
        raise UserError(
            f"init_from={relative(path)} holds another network: {len(unlike)} of {len(names)} weights differ, {first}. "
            "Width, heads, feedforward, layers and the number of subwords must be the same in both."
        )


def _shape(weights: Mapping[str, Tensor], name: str) -> str:
    return " x ".join(map(str, weights[name].shape)) if name in weights else "none"
