"""The command line. Exit code 0: done; 1: a failure; 2: a user's mistake; 3: `--strict` and a claim not reproduced.

`run`, which `reproduce` starts, also ends with 4: another process works on that run.
"""

import argparse
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks import commands as do
from benchmarks.arguments import located
from benchmarks.errors import INTERRUPTED, OUT_OF_MEMORY, Failure, UserError
from benchmarks.files import cannot_write, closed, refused_write
from benchmarks.paths import ROOT
from benchmarks.ranks import GRACE
from benchmarks.runs import first_of_machine, forget_launchers

DESCRIPTION = "Reproduces reported results and says, with an interval, whether each claim holds."

CLOSED = (
    "stopped by a closed pipe, as where nobody reads any more what is printed (`| head`); send it to a file, and run "
    "the same command again"
)


def main(argv: list[str]) -> int:
    """Runs one command and returns its exit code."""
    forget_launchers()
    options = parser().parse_args(argv)
    return guarded(lambda: int(options.command(located(options))))


def guarded(command: Callable[[], int]) -> int:
    """The exit code of a command; what goes wrong as a user may expect it to is one message."""
    try:
        return command()
    except UserError as error:
        return _ended(2, f"error: {error}")
    except RuntimeError as failure:
        return _ended(1, _told(failure))
    except BrokenPipeError:
        with suppress(OSError):  # nobody may be reading there either
            print(CLOSED, file=sys.stderr, flush=True)
        return 1
    except OSError as error:
        return _ended(2, f"error: {_refused(error)}")
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        return 128 + signal.SIGINT


def _ended(code: int, message: str) -> int:
    """Says why the command ends; returns the code.

    Mostly all ranks meet the same, and end with the first one, or by the launcher, once that one has told of it. Who
    is still there after some seconds has met it alone.
    """
    if not first_of_machine():
        time.sleep(GRACE)
    print(message, file=sys.stderr)
    return code


def _told(failure: RuntimeError) -> str:
    """What is said of one that may be expected; any other is raised again."""
    if isinstance(failure, Failure):
        return " ".join([f"failed: {failure}.", *getattr(failure, "__notes__", ())])
    if type(failure).__name__ == "OutOfMemoryError":  # torch's, which is not imported for every command
        return f"failed: {'. '.join(str(failure).split('. ')[:3])}. {OUT_OF_MEMORY}"
    raise failure


def _refused(error: OSError) -> UserError:
    """What is said of what a file system refuses to a user; any other error is raised again."""
    if isinstance(error, PermissionError) and error.filename:
        return closed(error)
    if refused_write(error):  # of writes that are not ours: logs, caches, what libraries keep
        return cannot_write(Path(error.filename or ROOT), error)
    raise error


class Once(argparse.Action):
    """Keeps an option's value, and refuses another: argparse would forget the first without a word."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        """Called for each value."""
        if getattr(namespace, self.dest) is not None:
            raise argparse.ArgumentError(self, "it stands twice. Give it once.")
        setattr(namespace, self.dest, values)


def parser() -> argparse.ArgumentParser:
    """The command line; `make` passes values as `--name=value`."""
    main_parser = argparse.ArgumentParser("python -m benchmarks", description=DESCRIPTION, allow_abbrev=False)
    commands = main_parser.add_subparsers(required=True, metavar="command")
    _runs(commands)
    _checkpoints(commands)
    _machines(commands)
    _command(commands, "tables", do.tables, "write results/tables/ from the records alone")
    _command(commands, "report", do.report, "write results/report.html: one page with plots, from records and sheets")
    _command(commands, "verify", do.verify, "score every record again from stored files, also with third-party tools")
    return main_parser


def _runs(commands: Any) -> None:
    reproduce = _command(commands, "reproduce", do.reproduce, "train, test and judge a benchmark, or all of them")
    reproduce.add_argument("benchmark", nargs="?", help="default: every benchmark, then tables and report")
    _run_options(reproduce)
    reproduce.add_argument("--seeds", help="such as 0,1,2; one record each")
    reproduce.add_argument("--fresh", action="store_true", help="start another run although one is finished")
    reproduce.add_argument("--rehearse", action="store_true", help="20 steps, a resume and two test batches; no record")
    reproduce.add_argument("--strict", action="store_true", help="exit 3 where a verdict is `not reproduced`")

    one = _command(commands, "run", do.run, "one variant and seed in this process: what reproduce starts")
    one.add_argument("benchmark")
    _run_options(one)
    one.add_argument("--seeds", help="exactly one seed")
    one.add_argument("--fresh", action="store_true")
    one.add_argument("--rehearse", action="store_true")
    one.add_argument("--forecast", help="a file for the rehearsal's findings, as JSON")


def _checkpoints(commands: Any) -> None:
    validate = _command(commands, "validate", do.validate, "score a checkpoint, published weights or predictions")
    validate.add_argument("benchmark")
    _run_options(validate)
    validate.add_argument("--checkpoint", help="a .ckpt that this suite wrote")
    validate.add_argument("--weights", help="published weights, such as ResNet34_Weights.IMAGENET1K_V1")
    validate.add_argument("--predictions", help="a predictions file, or the folder that holds it")

    for name, function, text in (
        ("watch", do.watch, "a short animation of what a checkpoint's policy does"),
        ("play", do.play, "a checkpoint that plays over GTP, for Sabaki, GoGui or an engine"),
    ):
        shown = _command(commands, name, function, text)
        shown.add_argument("benchmark")
        shown.add_argument("--checkpoint", help="a .ckpt that this suite wrote")
        shown.set_defaults(**dict.fromkeys(("data", "profile", "variant", "devices", "nodes", "args")))


def _machines(commands: Any) -> None:
    data = _command(commands, "data", do.data, "say what to download and where; verify and unpack it")
    data.add_argument("benchmark")
    data.add_argument("--data", help="the folder of the data")
    data.add_argument(
        "--pack", help="imagenet: a folder for DATA's images as a few large files; use it as DATA afterwards"
    )

    doctor = _command(commands, "doctor", do.doctor, "what this machine can run, what it cannot and why, with remedies")
    doctor.add_argument("benchmark", nargs="?", help="default: all; checks the data that have a folder below --data")
    doctor.add_argument("--data", help="the benchmark's data, or a folder with one subfolder per benchmark")
    doctor.add_argument("--devices", help="how many GPUs this machine should have")

    plan = _command(commands, "plan", do.plan, "what full runs need: hours, memory, disk, seeds, cost")
    plan.add_argument("benchmark", nargs="?", help="default: every benchmark")
    _run_options(plan)
    plan.add_argument("--seeds", help="such as 0,1,2; default: the claim's")
    plan.add_argument("--gpu", help="a GPU model, such as H200, for runs whose data are missing")
    plan.add_argument("--price", help="price per GPU-hour")

    steps = _command(commands, "steps", do.steps, "speed of a full run on synthetic input: what plan runs without data")
    steps.add_argument("benchmark")
    _run_options(steps)
    steps.add_argument("--seeds", help="exactly one seed")
    steps.add_argument("--forecast", required=True, help="a file for the findings, as JSON")


def _command(
    commands: Any, name: str, function: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    added: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text[0].upper() + text[1:] + ".", allow_abbrev=False
    )
    added.register("action", None, Once)
    added.set_defaults(command=function)
    return added


def _run_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", help="the folder of the real data, in one of its usual layouts, or hf:<name>")
    command.add_argument("--profile", help="full (the documented recipe) or mini (generated data, two CPU cores)")
    command.add_argument("--variant", help="a file in the benchmark's variants/, without .yaml; `default` is none")
    command.add_argument("--devices", help="GPUs, or CPU processes, per node")
    command.add_argument("--nodes", help="machines, under torchrun or SLURM")
    overrides = 'overrides, such as "--trainer.max_epochs 5"; any but machine options make a run unofficial'
    command.add_argument("--args", help=overrides)
