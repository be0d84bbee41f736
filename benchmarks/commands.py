"""What each command does, once its line is parsed. torch is imported only after arguments and paths were checked."""

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.arguments import (
    Request,
    known_benchmark,
    locate_data,
    part_of_all,
    passed_on,
    positive,
    request,
    roots,
    seeds,
)
from benchmarks.errors import Busy, UserError
from benchmarks.launch import Children, Job, slots, worst
from benchmarks.modules import needs_data, packing, preparation
from benchmarks.paths import benchmarks
from benchmarks.processes import BUSY, MISTAKE, Stopped, die_with_parent, stoppable
from benchmarks.runs import announce, externally_launched, first_process
from benchmarks.strict import load_claim
from results.collect import Row, trained_row
from results.render import markdown
from results.stored import records_of
from results.tables import write_tables


def reproduce(options: argparse.Namespace) -> int:
    """`reproduce`: one benchmark, or all and then the tables and the report."""
    if options.benchmark is not None:
        return _reproduce(options.benchmark, options)
    if options.data is None and options.profile is None:
        options.profile = "mini"  # also of those that need no data: this is what a newcomer runs
    parts = [*_each(options)]
    for name, given in parts:  # a mistake in what is asked of all is said once, before any begins
        asked = request(name, given)
        seeds(given.seeds, asked.claim, asked.profile)
    codes = [_one_of_all(name, given) for name, given in parts]
    tables(options)
    report(options)
    return worst(codes)


def _one_of_all(name: str, options: argparse.Namespace) -> int:
    """A mistake about one of them, such as its data, does not keep the others from running."""
    try:
        return _reproduce(name, options)
    except UserError as error:
        if first_process():
            print(f"error: {name}: {error}", file=sys.stderr)
        return MISTAKE


def _each(options: argparse.Namespace) -> Iterator[tuple[str, argparse.Namespace]]:
    """Every benchmark whose data are there, or that needs none, with its own part of the options."""
    data = {} if options.data is None else roots(options.data, None, benchmarks())
    for name in benchmarks():
        claim = load_claim(name)
        if options.data is None or name in data or not needs_data(claim):
            yield name, part_of_all(options, claim, data.get(name))
        else:
            print(f"{name}: skipped, there is no {Path(options.data) / claim.dataset}")


def _reproduce(name: str, options: argparse.Namespace) -> int:
    asked = request(name, options)
    announce(f"{asked.benchmark}: profile {asked.profile}, {asked.reason}")
    chosen = seeds(options.seeds, asked.claim, asked.profile)
    data = locate_data(asked, training=True)
    if externally_launched():
        if len(chosen) * len(asked.variants) != 1:
            raise UserError("torchrun and SLURM start one run: give one seed (SEEDS=0) and one VARIANT.")
        return _run(asked, asked.variants[0], chosen[0], data, options) or _strictly(options, asked)
    code = _train_side_by_side(asked, chosen, data, options)
    if len(chosen) * len(asked.variants) > 1 and asked.profile == "full" and not options.rehearse:
        print(markdown(_rows(asked)))  # each child has told of its own seed alone
    return code or _strictly(options, asked)


def _train_side_by_side(asked: Request, chosen: Sequence[int], data: str | None, options: argparse.Namespace) -> int:
    """A process a variant and seed, the variants that have a machine to themselves last; the worst exit code."""
    variants = asked.variants[:1] if options.rehearse else asked.variants
    at_once = {each: slots(asked.benchmark, asked.profile, each, asked.overrides) for each in variants}
    jobs = [
        (at_once[variant], Job(("run", asked.benchmark, *passed_on(options, asked, variant, data)), seed))
        for seed in (chosen[:1] if options.rehearse else chosen)
        for variant in variants  # all of a seed, so that long and short runs alternate and no core waits for the last
    ]
    return worst(
        [
            Children([job for its, job in jobs if its == count], count).run()
            for count in sorted(set(at_once.values()), reverse=True)
        ]
    )


def _rows(asked: Request) -> list[Row]:
    """What all seeds together say of the readings that were asked for."""
    records = records_of(asked.benchmark, "full")
    readings = [reading for reading in asked.claim.testable if reading.variant in asked.variants]
    return [trained_row(asked.benchmark, asked.claim, reading, records) for reading in readings]


def _strictly(options: argparse.Namespace, asked: Request) -> int:
    """3 where `--strict` is given and a verdict is `not reproduced`; it is for rank zero to say, which ends last.

    A miniature says nothing of the claim, and neither does its command of the records that are there.
    """
    if not options.strict or asked.profile == "mini" or not first_process():
        return 0
    return 3 if any(row.verdict == "not reproduced" for row in _rows(asked)) else 0


def run(options: argparse.Namespace) -> int:
    """`run`: one variant and one seed, here; `BUSY` where another process works on it."""
    die_with_parent()
    asked = request(options.benchmark, options)
    variant, seed = _single(asked, options)
    data = options.data or locate_data(asked, training=True)  # `reproduce` has looked at the DATA that it passes on
    try:
        return _run(asked, variant, seed, data, options)
    except Busy as error:
        print(f"error: {error}", file=sys.stderr)
        return BUSY


def _single(asked: Request, options: argparse.Namespace) -> tuple[str | None, int]:
    """The one variant and the one seed."""
    chosen = seeds(options.seeds, asked.claim, asked.profile)
    if len(chosen) * len(asked.variants) != 1:
        raise UserError("this takes exactly one seed and one variant; reproduce takes several.")
    return asked.variants[0], chosen[0]


def _run(asked: Request, variant: str | None, seed: int, data: str | None, options: argparse.Namespace) -> int:
    from benchmarks.order import Order
    from benchmarks.rehearsal import rehearse
    from benchmarks.run import run

    order = Order(asked.benchmark, asked.profile, variant, seed, data, asked.overrides, options.fresh)
    into = getattr(options, "forecast", None)
    work = partial(rehearse, forecast=into and Path(into)) if options.rehearse else run
    return _stoppable("the same command continues (without FRESH=1)", work, order)


def steps(options: argparse.Namespace) -> int:
    """`steps`: what `plan` starts where the data are not here.

    Raises:
        UserError: it is asked of several runs, or of one that a rehearsal measures.
    """
    die_with_parent()
    asked = request(options.benchmark, options, ("full", "because a plan is of full runs"))
    variant, seed = _single(asked, options)
    if options.data is not None or asked.profile != "full" or not needs_data(asked.claim):
        raise UserError("steps measures full recipes without DATA, of what needs some; plan rehearses the others.")

    from benchmarks.order import Order
    from benchmarks.synthetic import measure_steps

    order = Order(asked.benchmark, asked.profile, variant, seed, None, asked.overrides)
    return _stoppable("nothing was measured", partial(measure_steps, forecast=Path(options.forecast)), order)


def _stoppable(remark: str, work: Callable[[Any], None], order: Any) -> int:
    """Does the work; a signal ends it with one line, the remark in it, and the code that shells expect."""
    try:
        with stoppable():
            work(order)
    except Stopped as stop:
        if not first_process():
            return 0 if stop.everywhere else stop.exit_code  # rank zero says it; else it must hear of it, to end too
        print(f"stopped by {stop}; {remark}", file=sys.stderr)
        return stop.exit_code
    return 0


def validate(options: argparse.Namespace) -> int:
    """`validate`: exactly one of a checkpoint, published weights and predictions."""
    from benchmarks.validate import validate

    die_with_parent()
    known_benchmark(options.benchmark)
    return _stoppable("nothing was recorded", validate, options)


def watch(options: argparse.Namespace) -> int:
    """`watch`: an animation of a checkpoint's policy."""
    from benchmarks.show.watch import watch

    known_benchmark(options.benchmark)
    watch(options)
    return 0


def play(options: argparse.Namespace) -> int:
    """`play`: a checkpoint's player over GTP."""
    from benchmarks.show.play import play

    known_benchmark(options.benchmark)
    play(options)
    return 0


def data(options: argparse.Namespace) -> int:
    """`data`: prepares what is under DATA, or packs it.

    Raises:
        UserError: no folder is given, PACK is given for data that nothing packs, or what is there cannot be prepared.
    """
    claim = load_claim(known_benchmark(options.benchmark))
    packer = None if options.pack is None else packing(claim)
    if options.pack is not None and packer is None:
        raise UserError(f"make data-{options.benchmark} takes no PACK; data-imagenet does. Leave it out.")
    if not needs_data(claim):
        print(f"{options.benchmark} needs no data")
        return 0
    if not options.data:
        raise UserError(f"give the folder for the data: make data-{options.benchmark} DATA=/path")
    if packer is None:
        preparation(claim).prepare(options.data)
    else:
        packer.pack(options.data, options.pack)
    return 0


def doctor(options: argparse.Namespace) -> int:
    """`doctor`: a line a finding; 2 where something that is asked for cannot work."""
    from benchmarks.doctor import claimed, examine

    if options.benchmark is None:
        claims, unread = claimed(benchmarks())
    else:
        claims, unread = {options.benchmark: load_claim(known_benchmark(options.benchmark))}, []
    devices = None if options.devices is None else positive("DEVICES", options.devices)
    data = {} if options.data is None else roots(options.data, options.benchmark, [*claims])
    found = unread + examine(claims, data, devices)
    print("\n".join(map(str, found)))
    return MISTAKE if any(each.level == "WRONG" for each in found) else 0


def plan(options: argparse.Namespace) -> int:
    """`plan`: a line a full run."""
    from benchmarks.plan import plan

    names = benchmarks() if options.benchmark is None else [known_benchmark(options.benchmark)]
    print(plan(options, names))
    return 0


def verify(options: argparse.Namespace) -> int:
    """`verify`: a line a record; 1 where what is stored contradicts one."""
    from results.verify import verify  # which loads the scoring of every task

    told, agreed = verify()
    print(told)
    return 0 if agreed else 1


def report(options: argparse.Namespace) -> int:
    """`report`: writes the page."""
    from results.report.page import write_report  # which loads matplotlib

    print(write_report())
    return 0


def tables(options: argparse.Namespace) -> int:
    """`tables`: writes them and prints the claims'."""
    print(write_tables())
    return 0
