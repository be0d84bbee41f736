"""The commands. Exit code 0: done; 1: a failure; 2: a user's mistake; 3: `--strict` and a claim not reproduced."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.arguments import DEFAULT, Request, known_benchmark, locate_data, positive, request, seeds
from benchmarks.errors import Failure, UserError
from benchmarks.files import cannot_write, refused_write
from benchmarks.launch import MISTAKE, Children, Job, slots, worst
from benchmarks.modules import needs_data, preparation
from benchmarks.paths import ROOT
from benchmarks.processes import Stopped, die_with_parent, stoppable
from benchmarks.runs import announce, externally_launched, first_process
from benchmarks.strict import load_claim
from results.collect import Row, benchmarks, records_of, trained_row
from results.render import markdown
from results.tables import write_tables

DESCRIPTION = "Reproduces reported results and says, with an interval, whether each claim holds."


def main(argv: list[str]) -> int:
    """Runs one command and returns its exit code."""
    options = parser().parse_args(argv)
    try:
        return int(options.command(options))
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except Failure as failure:
        print(f"failed: {failure}.", *getattr(failure, "__notes__", ()), file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1
    except OSError as error:  # of writes that are not ours: logs, caches, what libraries keep
        if not refused_write(error):
            raise
        print(f"error: {cannot_write(Path(error.filename or ROOT), error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command continues", file=sys.stderr)
        return 128 + signal.SIGINT


def parser() -> argparse.ArgumentParser:
    """The command line; `make` passes values as `--name=value`."""
    main_parser = argparse.ArgumentParser("python -m benchmarks", description=DESCRIPTION, allow_abbrev=False)
    commands = main_parser.add_subparsers(required=True, metavar="command")

    reproduce = _command(commands, "reproduce", reproduce_command, "train, test and judge a benchmark, or all of them")
    reproduce.add_argument("benchmark", nargs="?", help="default: every benchmark, then tables and report")
    _run_options(reproduce)
    reproduce.add_argument("--seeds", help="such as 0,1,2; one record each")
    reproduce.add_argument("--fresh", action="store_true", help="start another run though one is finished")
    reproduce.add_argument("--rehearse", action="store_true", help="20 steps, a resume and two test batches; no record")
    reproduce.add_argument("--strict", action="store_true", help="exit 3 where a verdict is `not reproduced`")

    one = _command(commands, "run", run_command, "one variant and seed in this process: what reproduce starts")
    one.add_argument("benchmark")
    _run_options(one)
    one.add_argument("--seeds", help="exactly one seed")
    one.add_argument("--fresh", action="store_true")
    one.add_argument("--rehearse", action="store_true")

    validate = _command(commands, "validate", validate_command, "score a checkpoint, published weights or predictions")
    validate.add_argument("benchmark")
    _run_options(validate)
    validate.add_argument("--checkpoint", help="a .ckpt that this suite wrote")
    validate.add_argument("--weights", help="published weights, such as ResNet34_Weights.IMAGENET1K_V1")
    validate.add_argument("--predictions", help="a predictions file, or the folder that holds it")

    watch = _command(commands, "watch", watch_command, "a short animation of what a checkpoint's policy does")
    watch.add_argument("benchmark")
    watch.add_argument("--checkpoint", help="a .ckpt that this suite wrote")
    watch.set_defaults(**dict.fromkeys(("data", "profile", "variant", "devices", "nodes", "args")))

    play = _command(commands, "play", play_command, "a checkpoint as a player over GTP, for Sabaki, GoGui or an engine")
    play.add_argument("benchmark")
    play.add_argument("--checkpoint", help="a .ckpt that this suite wrote")
    play.set_defaults(**dict.fromkeys(("data", "profile", "variant", "devices", "nodes", "args")))

    data = _command(commands, "data", data_command, "what to download where; verifies and unpacks it")
    data.add_argument("benchmark")
    data.add_argument("--data", help="the folder of the data")

    doctor = _command(commands, "doctor", doctor_command, "what this machine can run and why not, with remedies")
    doctor.add_argument("benchmark", nargs="?", help="default: every benchmark that has a folder below --data")
    doctor.add_argument("--data", help="the data of the benchmark, or the folder that holds a folder for each")
    doctor.add_argument("--devices", help="how many GPUs this machine should have")

    _command(commands, "tables", tables_command, "results/tables/ from the records alone")
    _command(commands, "report", report_command, "results/report.html from the records alone: one page, with plots")
    _command(commands, "verify", verify_command, "score every record again from what is stored, by foreign tools too")
    return main_parser


def _command(
    commands: Any, name: str, function: Callable[[argparse.Namespace], int], text: str
) -> argparse.ArgumentParser:
    added: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text.capitalize() + ".", allow_abbrev=False
    )
    added.set_defaults(command=function)
    return added


def _run_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--data", help="the folder of the real data, in the layout people have on disk, or hf:<name>")
    command.add_argument("--profile", help="full (the documented recipe) or mini (embedded data, two CPU cores)")
    command.add_argument("--variant", help="a file of the benchmark's variants/, without .yaml, or default: none")
    command.add_argument("--devices", help="GPUs, or CPU processes, a node")
    command.add_argument("--nodes", help="machines, under torchrun or SLURM")
    command.add_argument("--args", help='overrides, such as "--trainer.max_epochs 5"; they make a run unofficial')


def reproduce_command(options: argparse.Namespace) -> int:
    """`reproduce`: one benchmark, or all and then the tables and the report."""
    if options.benchmark is not None:
        return _reproduce(options.benchmark, options)
    codes = []
    data = options.data
    if data is None and options.profile is None:
        options.profile = "mini"  # also of those that need no data: this is what a newcomer runs
    for name in benchmarks():
        if data is not None and needs_data(load_claim(name)):
            if not (Path(data) / name).is_dir():
                print(f"{name}: skipped, there is no {Path(data) / name}")
                continue
            options.data = str(Path(data) / name)
        codes.append(_reproduce(name, options))
    tables_command(options)
    report_command(options)
    return worst(codes)


def _reproduce(name: str, options: argparse.Namespace) -> int:
    asked = request(name, options)
    announce(f"{asked.benchmark}: profile {asked.profile}, {asked.reason}")
    chosen = seeds(options.seeds, asked.claim, asked.profile)
    data = locate_data(asked, training=True)
    if externally_launched():
        if len(chosen) * len(asked.variants) != 1:
            raise UserError("torchrun and SLURM start one run: give one seed (SEEDS=0) and one VARIANT.")
        return _run(asked, asked.variants[0], chosen[0], data, options) or _strictly(options, asked)
    jobs = [
        Job(("run", asked.benchmark, *_passed_on(options, asked, variant, data), f"--seeds={seed}"))
        for variant in asked.variants
        for seed in chosen
    ]
    room = 1 if options.rehearse else slots(asked.benchmark, asked.profile, asked.variants[0], asked.overrides)
    code = Children(jobs[:1] if options.rehearse else jobs, room).run()
    if len(jobs) > 1 and asked.profile == "full" and not options.rehearse:
        print(markdown(_rows(asked)))  # each child has told of its own seed alone
    return code or _strictly(options, asked)


def _rows(asked: Request) -> list[Row]:
    """What all seeds together say of the readings that were asked for."""
    records = records_of(asked.benchmark, "full")
    readings = [reading for reading in asked.claim.testable if reading.variant in asked.variants]
    return [trained_row(asked.benchmark, asked.claim, reading, records) for reading in readings]


def _passed_on(options: argparse.Namespace, asked: Request, variant: str | None, data: str | None) -> list[str]:
    values = {
        "profile": asked.profile, "variant": variant or DEFAULT, "data": data, "devices": options.devices,
        "nodes": options.nodes, "args": options.args,
    }  # fmt: skip
    flags = [f"--{name}" for name in ("fresh", "rehearse") if getattr(options, name)]
    return [f"--{name}={value}" for name, value in values.items() if value is not None] + flags


def _strictly(options: argparse.Namespace, asked: Request) -> int:
    """3 where `--strict` is given and a verdict is `not reproduced`."""
    if not options.strict:
        return 0
    return 3 if any(row.verdict == "not reproduced" for row in _rows(asked)) else 0


def run_command(options: argparse.Namespace) -> int:
    """`run`: one variant and one seed, here."""
    die_with_parent()
    asked = request(options.benchmark, options)
    chosen = seeds(options.seeds, asked.claim, asked.profile)
    if len(chosen) * len(asked.variants) != 1:
        raise UserError("run takes exactly one seed and one variant; reproduce takes several.")
    data = options.data or locate_data(asked, training=True)  # `reproduce` has looked at the DATA that it passes on
    return _run(asked, asked.variants[0], chosen[0], data, options)


def _run(asked: Request, variant: str | None, seed: int, data: str | None, options: argparse.Namespace) -> int:
    from benchmarks.plan import Order
    from benchmarks.rehearsal import rehearse
    from benchmarks.run import run

    order = Order(asked.benchmark, asked.profile, variant, seed, data, asked.overrides, options.fresh)
    return _stoppable("the same command continues (without FRESH=1)", rehearse if options.rehearse else run, order)


def _stoppable(remark: str, work: Callable[[Any], None], order: Any) -> int:
    """Does the work; a signal ends it with one line, the remark in it, and the code that shells expect."""
    try:
        with stoppable():
            work(order)
    except Stopped as stop:
        if not first_process():
            return 0  # rank zero says it, and with which code the run ends
        print(f"stopped by {stop}; {remark}", file=sys.stderr)
        return stop.exit_code
    return 0


def validate_command(options: argparse.Namespace) -> int:
    """`validate`: exactly one of a checkpoint, published weights and predictions."""
    from benchmarks.validate import validate

    die_with_parent()
    known_benchmark(options.benchmark)
    return _stoppable("nothing was recorded", validate, options)


def watch_command(options: argparse.Namespace) -> int:
    """`watch`: an animation of a checkpoint's policy."""
    from benchmarks.watch import watch

    known_benchmark(options.benchmark)
    watch(options)
    return 0


def play_command(options: argparse.Namespace) -> int:
    """`play`: a checkpoint's player over GTP."""
    from benchmarks.play import play

    known_benchmark(options.benchmark)
    play(options)
    return 0


def data_command(options: argparse.Namespace) -> int:
    """`data`: prepares what is under DATA."""
    claim = load_claim(known_benchmark(options.benchmark))
    if not needs_data(claim):
        print(f"{options.benchmark} needs no data")
        return 0
    if not options.data:
        raise UserError(f"give the folder for the data: make data-{options.benchmark} DATA=/path")
    preparation(claim).prepare(options.data)
    return 0


def doctor_command(options: argparse.Namespace) -> int:
    """`doctor`: a line a finding; 2 where something that is asked for cannot work."""
    from benchmarks.doctor import examine

    names = benchmarks() if options.benchmark is None else [known_benchmark(options.benchmark)]
    devices = None if options.devices is None else positive("DEVICES", options.devices)
    roots = {} if options.data is None else _roots(options.data, options.benchmark, names)
    found = examine({name: load_claim(name) for name in names}, roots, devices)
    print("\n".join(map(str, found)))
    return MISTAKE if any(each.verdict == "WRONG" for each in found) else 0


def _roots(data: str, benchmark: str | None, names: Sequence[str]) -> dict[str, str]:
    """Where the data of each benchmark lie, as `reproduce` finds them."""
    if benchmark is not None:
        return {benchmark: data}
    found = {name: str(Path(data) / name) for name in names if (Path(data) / name).is_dir()}
    if not found:
        raise UserError(f"DATA={data} has no folder called like a benchmark ({', '.join(names)}).")
    return found


def verify_command(options: argparse.Namespace) -> int:
    """`verify`: a line a record; 1 where what is stored contradicts one."""
    from results.verify import verify  # which loads the scoring of every task

    told, agreed = verify()
    print(told)
    return 0 if agreed else 1


def report_command(options: argparse.Namespace) -> int:
    """`report`: writes the page."""
    from results.report.page import write_report  # which loads matplotlib

    print(write_report())
    return 0


def tables_command(options: argparse.Namespace) -> int:
    """`tables`: writes them and prints the claims'."""
    print(write_tables())
    return 0
