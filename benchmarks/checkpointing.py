"""Checkpoints on disk: written under another name, then renamed, so never partial; loading never runs code."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO

from benchmarks.errors import UserError
from benchmarks.files import replacing
from benchmarks.paths import relative

LAST = "last.ckpt"
BEST = "best.ckpt"  # of the epoch that was best by the claim's rule
FAILURE = "failure.ckpt"  # what a run could not go on from
WEIGHTS = "weights.ckpt"  # what is tested, and all that a validation needs
LEARNING = "learning"  # the key of what a learner remembers, such as a replay memory
EXPERIENCE = "experience"  # and, of what a datamodule keeps, of the games or environments that it is in the middle of
SUITE = "suite"  # the key of a checkpoint that holds benchmark, profile, variant, seed and settings


class AtomicCheckpointIO(CheckpointIO):
    """Writes beside, syncs, renames; reads tensors and plain values only."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Writes a checkpoint atomically.

        Raises:
            UserError: the disk is full or may not be written to.
        """
        with replacing(Path(path)) as file:
            try:
                torch.save(checkpoint, file)
            except RuntimeError as error:
                # torch wraps what the file system said
                raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = True) -> dict[str, Any]:
        """Reads a checkpoint on the CPU, never running code from it.

        Raises:
            UserError: the file is missing, no checkpoint, or holds more than tensors and plain values.
        """
        return load_checkpoint(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Deletes a checkpoint."""
        Path(path).unlink(missing_ok=True)


def load_checkpoint(path: Path, mmap: bool = False) -> dict[str, Any]:
    """A checkpoint of this suite, on the CPU.

    Args:
        path: of the file.
        mmap: whether to leave tensors on disk until they are used, where something small is asked for.

    Raises:
        UserError: the file is missing, damaged, of another program, or holds more than tensors and plain values.
    """
    if not path.is_file():
        raise UserError(f"there is no checkpoint {relative(path)}.")
    try:
        with path.open("rb") as file:
            whole = zipfile.is_zipfile(file)  # as torch.save writes them
        if not whole:
            raise UserError(
                f"{relative(path)} is no checkpoint, or one that was cut short. Use an intact one; predictions go by "
                "PREDICTIONS=."
            )
        checkpoint = torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except pickle.UnpicklingError:
        raise UserError(
            f"{relative(path)} is no checkpoint, or holds objects other than tensors and plain values, "
            "which could run code when loaded. It was not loaded; use a checkpoint written by this suite."
        ) from None
    except (OSError, RuntimeError, EOFError, ValueError, TypeError, AttributeError, LookupError) as error:
        raise UserError(
            f"{relative(path)} is no readable checkpoint ({_first_line(error)}). Use an intact one."
        ) from None
    if not isinstance(checkpoint, dict) or SUITE not in checkpoint:
        raise UserError(
            f"{relative(path)} was not written by this suite: it does not say what it was trained on. "
            "Published weights go by WEIGHTS=, predictions of other programs by PREDICTIONS=."
        )
    if "state_dict" not in checkpoint:
        raise UserError(f"{relative(path)} holds no weights. Use an intact checkpoint.")
    return checkpoint


def write_weights(checkpoint: Path, path: Path, identity: dict[str, Any]) -> None:
    """Writes what a checkpoint knows of the model, without what only continuing the run needs.

    Args:
        checkpoint: of some moment of the run.
        path: where to.
        identity: what is known of the run by now, which may be more than at that moment.

    Raises:
        UserError: the disk is full, or may not be written to.
    """
    known = load_checkpoint(checkpoint, mmap=True)  # a replay's gigabytes stay where they are
    needless = {"optimizer_states", "lr_schedulers", "loops", "callbacks", "MixedPrecision", LEARNING}
    known = {key: _without_experience(value) for key, value in known.items() if key not in needless} | {SUITE: identity}
    AtomicCheckpointIO().save_checkpoint(known, path)


def _without_experience(value: Any) -> Any:
    """What a datamodule remembers, but not the games or environments that an agent was in the middle of."""
    return {key: kept for key, kept in value.items() if key != EXPERIENCE} if type(value) is dict else value


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
