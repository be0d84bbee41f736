"""First weights of a residual network, from torchvision's publication or from a checkpoint of our own `imagenet`."""

from pathlib import Path

import torch
from torch import Tensor, nn

from benchmarks.checkpointing import load_checkpoint
from benchmarks.errors import UserError
from benchmarks.paths import ROOT, relative
from lightning_modules.published import cached_file, find_weights

PREFIX = "network."


def source_file(init_from: str) -> Path:
    """The file that first weights come from.

    Raises:
        UserError: it is neither a name that torchvision publishes nor a file, or the published file cannot be had.
    """
    if not init_from.endswith(".ckpt"):
        return cached_file(find_weights(init_from))
    return own_file(init_from)


def own_file(init_from: str) -> Path:
    """A checkpoint of this suite that first weights come from; a relative path begins at the repository.

    Raises:
        UserError: there is no such file.
    """
    path = ROOT / Path(init_from).expanduser()
    if not path.is_file():
        raise UserError(f"model.init_args.init_from={init_from}: there is no file {relative(path)}.")
    return path


def of_network(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a module's network alone, by their names in it."""
    return {name.removeprefix(PREFIX): value for name, value in weights.items() if name.startswith(PREFIX)}


def load_backbone(body: nn.Module, init_from: str) -> None:
    """Loads all weights of a network without its classifier.

    Raises:
        UserError: the file cannot be had, or its weights are of another network.
    """
    path = source_file(init_from)
    if path.suffix == ".ckpt":
        weights = of_network(load_checkpoint(path)["state_dict"])
    else:
        weights = torch.load(path, weights_only=True, map_location="cpu")
    wanted = body.state_dict()
    unlike = [
        name
        for name, value in wanted.items()
        if not name.endswith("num_batches_tracked") and (name not in weights or weights[name].shape != value.shape)
    ]
    if unlike:
        raise UserError(
            f"init_from={init_from} holds another network: {len(unlike)} of {len(wanted)} weights are missing or of "
            f"another shape, first {unlike[0]}. Depths, width, bottleneck and blur_pool must be the same in both."
        )
    body.load_state_dict({name: weights[name] for name in wanted if name in weights}, strict=False)
