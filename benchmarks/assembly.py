"""Settings -> typed objects: LightningCLI parses, and the constructors it finds are the only schema.

Constructors touch no disk and no network, so that every committed config can be checked without data.
"""

import os
import re
from copy import deepcopy
from datetime import timedelta
from pathlib import Path
from pkgutil import resolve_name
from typing import Any, cast

import torch
from jsonargparse import ArgumentError
from jsonargparse.typing import PositiveInt
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.strategies import DDPStrategy
from lightning.pytorch.strategies.launchers import subprocess_script
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from benchmarks.checkpointing import AtomicCheckpointIO
from benchmarks.config import Settings, merge
from benchmarks.errors import UserError
from benchmarks.paths import relative_root
from benchmarks.ranks import end_once_one_fails
from benchmarks.runs import launched_processes
from benchmarks.slurm import JobStep, require_spread
from benchmarks.step_bar import StepBar
from datamodules.interface import BenchmarkData
from datamodules.sampling import device_batch_size
from lightning_modules.interface import BenchmarkModule, leaves_nothing_out, require_whole_epochs, required_epochs

DRIVER = Path("/proc/driver/nvidia/version")  # there where NVIDIA's driver is
PATIENCE = timedelta(hours=2)  # the other ranks wait while rank zero looks at every file on a slow file system

PRECISIONS = ("32-true", "32", "bf16-mixed", "bf16", "16-mixed", "16")

subprocess_script._launch_process_observer = end_once_one_fails


class _Parser(LightningCLI):
    """LightningCLI that parses a mapping and leaves the building of the Trainer to the run."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            BenchmarkModule, BenchmarkData, subclass_mode_model=True, subclass_mode_data=True,
            save_config_callback=None, seed_everything_default=False, auto_configure_optimizers=False,
            load_from_checkpoint_support=False, parser_kwargs={"exit_on_error": False}, run=False, args=settings,
        )  # fmt: skip

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        # Sums depend on the number of threads, so it is part of the protocol and not of the machine.
        parser.add_argument("--threads", type=PositiveInt, required=True, help="CPU threads of a process")
        parser.add_argument("--checkpoint_every_n_steps", type=PositiveInt, required=True)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        # The base class warns when arguments come from Python rather than from the command line. Settings are the whole
        # protocol: with JSONARGPARSE_DEFAULT_ENV, variables such as PL_TRAINER__MAX_STEPS would add to it unseen.
        # A copy: numbers in a list become floats in place, and 16.0 for 16 would be a deviation from the protocol.
        self.config = parser.parse_object(deepcopy(args), env=False)

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        return cast(Trainer, None)


class Assembly:
    """The parsed settings of a run, and the objects made of them.

    Args:
        settings: as `config.resolve_settings` returns them.

    Raises:
        UserError: a key is unknown or missing, a value has the wrong type, or nothing could come of such a run.
    """

    def __init__(self, settings: Settings) -> None:
        try:
            parser = _Parser(settings)
            _require_optimizer(parser.model)
        except (ArgumentError, TypeError, ValueError) as error:
            raise UserError(
                f"the configuration is not valid: {_unfinished(str(error)) or _essence(str(error))}"
            ) from None
        parser._dump_config()
        self.resolved: Settings = parser.config_dump
        self.module: BenchmarkModule = parser.model
        self.datamodule: BenchmarkData = parser.datamodule
        self.settings = settings
        self.threads: int = self.resolved["threads"]
        self.checkpoint_every_n_steps: int = self.resolved["checkpoint_every_n_steps"]
        self._trainer: dict[str, Any] = dict(parser.config_init["trainer"])
        self._require_batch_size()
        self._require_whole_runs()
        self._require_precision()

    def trainer(self, callbacks: list[Callback], **limits: Any) -> Trainer:
        """A Trainer of the settings, with the run's callbacks, and its CPU threads; `limits` are for rehearsals.

        Raises:
            UserError: Lightning refuses the settings.
        """
        arguments = self._trainer | limits
        bars = [StepBar()] if arguments["enable_progress_bar"] else []
        arguments["callbacks"] = [*(arguments["callbacks"] or []), *callbacks, *bars]
        arguments["plugins"] = [*(arguments["plugins"] or []), AtomicCheckpointIO()]
        if launched_processes() is None:
            # Or a batch job of SLURM, which is a shell, would be taken for a process of srun, alone on one device.
            arguments["plugins"].append(LightningEnvironment())
        elif "TORCHELASTIC_RUN_ID" not in os.environ:
            arguments["plugins"].append(JobStep())
        if arguments["strategy"] == "auto" and self.processes > 1:
            # Buffers are broadcast before validation (`SharedBuffers`): ranks may take unequal numbers of steps there.
            arguments["strategy"] = DDPStrategy(broadcast_buffers=False, timeout=PATIENCE)
        # Torch's first choice on an H100. It plans every new length anew, and its gradients under a mask are NaN at
        # some lengths (pytorch/pytorch#196678, since 2.11).
        torch.backends.cuda.enable_cudnn_sdp(False)
        # Or `32-true` would compute in ten bits: cuDNN by default, cuBLAS with TORCH_ALLOW_TF32_CUBLAS_OVERRIDE=1.
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        torch.set_num_threads(self.threads)
        os.environ["OMP_NUM_THREADS"] = str(self.threads)  # or Lightning shares the cores out among its processes
        try:
            trainer = Trainer(**arguments)
        except (MisconfigurationException, ValueError, TypeError) as error:
            raise UserError(f"the trainer cannot be set up: {error}") from None
        # Before each batch, ranks would ask each other whether Lightning's handler was called, and wait for the GPU.
        trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]
        return trainer

    def _require_batch_size(self) -> None:
        """Refuses a datamodule whose constructor does not say what a step holds."""
        if not hasattr(self.datamodule, "global_batch_size"):
            raise UserError(
                f"{type(self.datamodule).__name__} has no global_batch_size, the examples of an optimizer step. Set it "
                "in its constructor."
            )

    def _require_whole_runs(self) -> None:
        """Refuses a Trainer of which no record could come: that trains nothing or cut epochs, or tests a part."""
        nothing = [key for key in ("max_epochs", "max_steps", "limit_train_batches") if self._trainer[key] == 0]
        if nothing:
            raise UserError(f"trainer.{nothing[0]} is 0, and nothing would be trained. Give more, or leave it out.")
        required_epochs(self._trainer["max_epochs"])
        require_whole_epochs(self._trainer["limit_train_batches"], self._trainer["overfit_batches"])
        cut = not leaves_nothing_out(self._trainer["limit_test_batches"])
        if cut or self._trainer["fast_dev_run"]:
            key = "limit_test_batches" if cut else "fast_dev_run"
            raise UserError(f"trainer.{key} leaves out a part of the test set, all of which is scored. Leave it out.")

    def _require_precision(self) -> None:
        """Refuses numbers that the system does not compute in."""
        only, asked = self.module.only_precision, str(self._trainer["precision"] or "32-true")
        if only is not None and asked not in (only, only.partition("-")[0]):
            raise UserError(f"trainer.precision is {asked}, but this benchmark computes in {only}. Leave it out.")
        if asked not in PRECISIONS:  # as bf16-true, in which an update of a weight of 1 is rounded to none
            raise UserError(
                f"trainer.precision is {asked}, but weights and their updates are kept in float32. Choose 32-true, "
                "bf16-mixed or 16-mixed."
            )

    def portable(self) -> Settings:
        """The resolved settings as records keep them: paths relative to the repository."""
        root = self.resolved["data"]["init_args"].get("root")
        if root is None:
            return self.resolved
        return merge(self.resolved, {"data": {"init_args": {"root": relative_root(root)}}})

    def require_devices(self) -> None:
        """Refuses devices that are not there, or not as torchrun or SLURM started them, before any process starts.

        Raises:
            UserError: either; torch cannot use the GPUs that are there, and would take processor cores in their place.
        """
        if self._trainer["accelerator"] == "auto" and not self.on_gpu and _unusable_gpus():
            raise UserError(
                f"torch {torch.__version__} cannot use this machine's NVIDIA GPUs. Its CUDA {torch.version.cuda} needs "
                "a driver as new (`nvidia-smi` says which CUDA yours has). Update it, or go on without GPUs: "
                'ARGS="--trainer.accelerator cpu".'
            )
        if self.datamodule.one_process and self.processes > 1:
            raise UserError(
                f"DEVICES x NODES is {self.processes}, but a run of this benchmark is one process. Leave them out: its "
                "seeds run side by side, as many as there are cores."
            )
        there = torch.cuda.device_count() if self.on_gpu else len(os.sched_getaffinity(0))
        if not 1 <= self.devices <= there:
            kind = "GPU" if self.on_gpu else "CPU core"
            raise UserError(f"DEVICES={self.devices}, but this machine has {there} {kind}(s).")
        for index in range(self.devices if self.on_gpu else 0):
            if not has_kernels(index):
                raise UserError(
                    f"torch {torch.__version__} has no kernels for GPU {index}, {torch.cuda.get_device_name(index)}, "
                    f"but for {', '.join(torch.cuda.get_arch_list())}. Take another GPU (CUDA_VISIBLE_DEVICES), or "
                    'none: ARGS="--trainer.accelerator cpu".'
                )
        launched = launched_processes()
        if launched not in (None, self.processes):
            raise UserError(
                f"torchrun or SLURM started {launched} process(es), but DEVICES x NODES is {self.processes}. "
                "Give DEVICES=<processes a node> and NODES=<nodes> as it started them."
            )
        if launched is not None and "TORCHELASTIC_RUN_ID" not in os.environ:
            require_spread(self.devices, int(self._trainer["num_nodes"]))

    @property
    def accumulate(self) -> int:
        """Batches of a device that make an optimizer step."""
        return int(self._trainer["accumulate_grad_batches"])

    def require_even_batch(self) -> None:
        """Refuses to train where the global batch cannot be shared out evenly, before any process starts.

        Raises:
            UserError: it cannot.
        """
        if self.datamodule.whole_examples:
            device_batch_size(self.datamodule.global_batch_size, self.processes, self.accumulate)

    @property
    def on_gpu(self) -> bool:
        """Whether it runs on GPUs."""
        accelerator = self._trainer["accelerator"]
        return accelerator in ("gpu", "cuda") or (accelerator == "auto" and torch.cuda.is_available())

    @property
    def devices(self) -> int:
        """Devices a node: named by their number (2), one by one ([0, 1] or "0,1"), or all of them ("auto" or -1)."""
        asked = self._trainer["devices"]
        if asked in ("auto", "-1", -1):
            return torch.cuda.device_count() if self.on_gpu else 1
        listed = asked.split(",") if isinstance(asked, str) and "," in asked else asked
        return len(listed) if isinstance(listed, list) else int(listed)

    @property
    def processes(self) -> int:
        """Processes of the whole run: devices times nodes."""
        return self.devices * int(self._trainer["num_nodes"])


def _require_optimizer(module: BenchmarkModule) -> None:
    """Makes the optimizer that the settings name, if any, for one weight: it refuses wrong settings before training.

    Raises:
        ValueError: a rate is negative or no number, or the like.
    """
    if module.make_optimizer is not None:
        try:
            module.make_optimizer([torch.nn.Parameter(torch.zeros(1))])
        except ValueError as error:
            raise ValueError(f"model.init_args.optimizer: {error}") from None


def _unfinished(message: str) -> str | None:
    """Which parts a class lacks that the parser refuses as abstract, and where these are described."""
    refused = re.search(r"but (\S+) is abstract", message)
    if refused is None:
        return None
    kind = resolve_name(refused[1])
    lacks = sorted(kind.__abstractmethods__)
    asked_by = {base.__module__ for base in kind.__mro__ if any(_is_abstract(vars(base).get(name)) for name in lacks)}
    told = f"{refused[1]} has no {', '.join(lacks)}, which {' and '.join(sorted(asked_by))} asks for"
    return f"{told}. Write what is missing."


def _is_abstract(part: Any) -> bool:
    return getattr(part, "__isabstractmethod__", False)


def _essence(message: str) -> str:
    noise = re.compile(r"(Given value|Subtypes:|Does not validate|Errors:|- Expected a <class 'NoneType'>)")
    lines = [line.strip(" -") for line in message.splitlines() if line.strip() and not noise.match(line.strip())]
    return " ".join(lines)


def has_kernels(index: int) -> bool:
    """Whether torch was built for a GPU: kernels (sm) are for one major capability, code (compute) for all later."""
    own = torch.cuda.get_device_capability(index)
    built = [name.partition("_")[::2] for name in torch.cuda.get_arch_list()]
    kernels = [(kind, divmod(int(number.rstrip("af")), 10)) for kind, number in built]
    return any(there <= own and (kind == "compute" or there[0] == own[0]) for kind, there in kernels)


def _unusable_gpus() -> bool:
    """Whether NVIDIA's driver is there but torch finds no GPU, though none was hidden from it."""
    return DRIVER.exists() and os.environ.get("CUDA_VISIBLE_DEVICES") is None and not torch.cuda.is_available()
