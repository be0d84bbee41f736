"""What a datamodule has that is derived from `BenchmarkData` alone, and writes no more than it must."""

import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.demos.boring_classes import BoringModel, RandomDataset
from torch.utils.data import DataLoader

from datamodules.interface import BenchmarkData


class LeastData(BenchmarkData):
    """Eight examples."""

    unit, global_batch_size, steps_per_epoch = "examples", 4, 2
    fingerprint, signature, trained_on = {"classes": ["a", "b"]}, {}, {}

    def train_dataloader(self):
        return DataLoader(RandomDataset(32, 8), batch_size=4)

    def test_dataloader(self):
        return self.train_dataloader()


@pytest.fixture
def trainer(tmp_path):
    """Of one step."""
    bars = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    return Trainer(accelerator="cpu", max_steps=1, logger=False, default_root_dir=tmp_path, **bars)


def test_a_checkpoint_remembers_which_data_it_was_trained_on(trainer, tmp_path):
    """Or a validation of it would find that it tells no classes apart."""
    trainer.fit(BoringModel(), datamodule=LeastData())
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    known = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert known["LeastData"] == {"classes": ["a", "b"]}


def test_nothing_need_be_held_out_of_training(trainer):
    """Training, a rehearsal and a plan ask for validation batches, of which there are none."""
    assert LeastData().val_dataloader() == []
    trainer.fit(BoringModel(), datamodule=LeastData())
    assert trainer.global_step == 1
