"""What no processor here can run: seen by what is asked of torch and Lightning, whose GPU is made up."""

import os
from contextlib import contextmanager
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
from lightning.pytorch import LightningDataModule, Trainer
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.assembly import Assembly
from benchmarks.cli import guarded
from benchmarks.config import machine_settings, merge, resolve_settings
from benchmarks.doctor import _processors
from benchmarks.environment import code
from benchmarks.errors import UserError
from benchmarks.evaluation import quiet, surroundings
from benchmarks.slurm import JobStep
from benchmarks.step_bar import StepBar
from benchmarks.throughput import ThroughputMeter
from datamodules.imagenet import ImageNetData
from lightning_modules import compiling

KERNELS = ["sm_75", "sm_80", "sm_90a", "sm_120", "compute_120"]


def assembled():
    return Assembly(merge(resolve_settings("imagenet", "mini", None, {}), machine_settings(0, "nowhere")))


@pytest.fixture
def gpu(monkeypatch):
    """Makes up GPUs of a compute capability, as many as are asked for."""

    def of(capability, count=1):
        properties = SimpleNamespace(total_memory=80e9)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: f"Made-up {torch.device(device or 0)}")
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: capability)
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device=None: properties)
        monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: KERNELS)

    return of


def test_attention_is_not_cudnns():
    """Its gradients under a mask are NaN at some lengths on an H100 (pytorch/pytorch#196678)."""
    torch.backends.cuda.enable_cudnn_sdp(True)
    assembled().trainer([], enable_progress_bar=False, enable_model_summary=False)
    assert not torch.backends.cuda.cudnn_sdp_enabled()
    assert torch.backends.cuda.flash_sdp_enabled()


def test_float32_is_no_tf32(monkeypatch):
    """Convolutions on a GPU would keep ten bits of it, in runs whose record says `32-true`; matrix products may."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    torch.backends.cuda.matmul.allow_tf32 = True  # as TORCH_ALLOW_TF32_CUBLAS_OVERRIDE=1 does
    assembled().trainer([], enable_progress_bar=False, enable_model_summary=False)
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32


@pytest.mark.parametrize(
    ("capability", "level"),
    [((7, 0), "WRONG"), ((7, 5), "note"), ((8, 6), "ok"), ((9, 0), "ok"), ((10, 0), "WRONG"), ((13, 1), "ok")],
)
def test_a_gpu_that_torch_has_no_kernels_for_is_named_at_once(gpu, capability, level):
    gpu(capability)
    assembly = assembled()
    assembly._trainer["accelerator"] = "gpu"
    (found,) = [each for each in _processors(None) if each.what == "GPU 0"]
    assert found.level == level
    assert ("--trainer.precision 32-true" in found.words) == (level == "note")
    if level != "WRONG":
        assembly.require_devices()
    else:
        with pytest.raises(UserError, match=r"no kernels for GPU 0, Made-up cuda:0, but for sm_75, sm_80, sm_90"):
            assembly.require_devices()


def test_a_record_names_the_gpus_that_computed(gpu):
    gpu((9, 0), count=8)
    device = torch.device("cuda", 3)
    trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=device), world_size=2, precision="bf16-mixed")
    assert surroundings(assembled(), trainer, code(), None).gpus == ("Made-up cuda:3",) * 2


def test_a_run_on_the_processor_leaves_a_gpu_alone(gpu):
    gpu((9, 0))
    data = ImageNetData("nowhere", 0, 8, 8, 64, 64, [0, 1], workers=0)
    data.trainer = Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    assert not data.on_gpu
    data.trainer = SimpleNamespace(strategy=SimpleNamespace(root_device=torch.device("cuda", 0)))
    assert data.on_gpu


def test_a_full_gpu_is_one_message(capsys):
    def fills():
        raise torch.OutOfMemoryError(
            "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which 1.20 GiB "
            "is free. Process 1 has 77.91 GiB memory in use. See documentation for Memory Management"
        )

    assert guarded(fills) == 1
    assert capsys.readouterr().err == (
        "failed: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 79.11 GiB of which "
        "1.20 GiB is free. The same command continues with more GPUs (DEVICES), or with smaller parts of a step: "
        'ARGS="--trainer.accumulate_grad_batches 2", or 4, or 8. Where the test ran out of it, lower '
        "data.init_args.evaluation_batch_size.\n"
    )


@mock.patch.dict(os.environ)  # what it sets as well, or processes of later tests would meet there
def test_steps_of_one_job_meet_apart():
    met = set()
    for step, node in ((0, "n[1-2]"), (1, "n[1-2]"), (2, "n3")):
        for name in ("MASTER_ADDR", "MASTER_PORT"):
            os.environ.pop(name, None)
        values = {"JOB_ID": "812345", "STEP_ID": str(step), "STEP_NODELIST": node, "NODELIST": "n[1-3]"}
        os.environ.update({f"SLURM_{name}": value for name, value in values.items()})
        there = JobStep()
        met.add((there.main_address, there.main_port))
    assert met == {("n1", 17345), ("n1", 18354), ("n3", 19363)}
    os.environ.update({"MASTER_ADDR": "head", "MASTER_PORT": "29500"})
    assert (JobStep().main_address, JobStep().main_port) == ("head", 29500)


@pytest.mark.parametrize("compiler", ["gcc", None])
def test_a_machine_that_cannot_compile_kernels_is_told(gpu, monkeypatch, compiler):
    gpu((9, 0), count=2)
    monkeypatch.setattr(compiling, "kernel_compiler", lambda: compiler)
    notes = [each.words for each in _processors(2) if each.level == "note"]
    assert [words.partition(":")[0] for words in notes] == (
        [] if compiler else ["no C compiler, or no headers of Python"]
    )


class Asked(TorchDispatchMode):
    """Counts how often a number is asked for, which on a GPU waits for all that it was given to do."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def test_a_step_waits_for_nothing_but_its_loss(small_tree):
    """And that once its backward pass has been asked for; torch's compiled code asks for none."""
    settings = resolve_settings(
        "imagenet", "mini", None, {"data": {"init_args": {"global_batch_size": 8, "workers": 0}}}
    )
    assembly = Assembly(merge(settings, machine_settings(0, str(small_tree))))
    counts = []
    for steps in (2, 5):
        trainer = assembly.trainer([ThroughputMeter()], max_steps=steps, limit_val_batches=0, **quiet())
        with Asked() as asked:
            trainer.fit(assembly.module, datamodule=assembly.datamodule)
        assert trainer.global_step == steps
        counts.append(asked.count)
    assert counts[1] - counts[0] == 3


def test_a_bar_shows_what_a_step_logged():
    trainer, module = Trainer(logger=False, enable_checkpointing=False), assembled().module
    module.log = lambda *_, **__: None
    module.log_step("train/loss", torch.tensor(2.5))
    module.log_step("train/accuracy", torch.tensor(0.25))
    assert StepBar().get_metrics(trainer, module) == {"train/loss": 2.5, "train/accuracy": 0.25}


def test_a_batch_is_copied_beside_the_step_before(monkeypatch):
    """The step waits for it, and its memory is not given away before the step has ended."""
    stream, events = ["computing"], []

    @contextmanager
    def on(other):
        stream.append(other)
        yield
        stream.pop()

    computing = SimpleNamespace(wait_stream=lambda other: events.append(("waits for", other)))
    monkeypatch.setattr(torch.cuda, "Stream", lambda device: "copies")
    monkeypatch.setattr(torch.cuda, "stream", on)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: computing)
    monkeypatch.setattr(torch.Tensor, "record_stream", lambda tensor, used: events.append((tensor.numel(), used)))
    monkeypatch.setattr(
        LightningDataModule, "transfer_batch_to_device",
        lambda self, batch, device, index: events.append(("copied by", stream[-1])) or batch,
    )  # fmt: skip
    data = ImageNetData("nowhere", 0, 8, 8, 64, 64, [0, 1], workers=0)
    batch = {"image": torch.zeros(7), "boxes": [torch.zeros(3), torch.zeros(2)], "index": 5}
    for _ in range(2):
        assert data.transfer_batch_to_device(batch, torch.device("cuda", 0), 0) is batch
        held = [(count, computing) for count in (7, 3, 2)]
        assert events == [("copied by", "copies"), ("waits for", "copies"), *held]
        events.clear()


def test_lightning_asks_no_rank_for_signals():
    """Before each batch of several ranks it would, and wait for the GPU; the method is Lightning's own, so by name."""
    loop = assembled().trainer([], enable_progress_bar=False, enable_model_summary=False).fit_loop.epoch_loop
    assert callable(type(loop)._broadcast_sigterm_tensor)
    assert loop._broadcast_sigterm_tensor() is None  # type(loop)'s takes a process group
    assert "_broadcast_sigterm_tensor" in vars(loop)
