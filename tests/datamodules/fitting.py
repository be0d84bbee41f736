"""Datamodules set up for fitting, attached to what they ask of a Trainer."""

from types import SimpleNamespace


def ready(datamodule, step=0, rank=0, world=1, accumulate=1):
    datamodule.setup("fit")
    datamodule.trainer = SimpleNamespace(
        global_rank=rank, world_size=world, accumulate_grad_batches=accumulate, global_step=step
    )
    return datamodule
