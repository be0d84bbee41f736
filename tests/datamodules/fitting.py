"""Datamodules set up for fitting, attached to what they ask of a Trainer."""

from types import SimpleNamespace

import torch


def trainer(step=0, rank=0, world=1, accumulate=1):
    """What a datamodule asks of a Trainer on the processor."""
    on_cpu = SimpleNamespace(root_device=torch.device("cpu"))
    return SimpleNamespace(
        global_rank=rank, world_size=world, accumulate_grad_batches=accumulate, global_step=step, strategy=on_cpu
    )


def ready(datamodule, step=0, rank=0, world=1, accumulate=1):
    datamodule.setup("fit")
    datamodule.trainer = trainer(step, rank, world, accumulate)
    return datamodule
