"""`plan`: what full runs will take on a machine, in hours, memory, disk and money. No torch here.

A run whose data are here, or that needs none, is rehearsed: some real steps, some batches of validation and of testing.
Others take some steps on synthetic input; or, if a GPU that is not here is named, the plan scales what somebody
published for a similar recipe to that GPU.
"""

from __future__ import annotations

import tempfile
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from subprocess import DEVNULL, PIPE

from benchmarks.arguments import Request, locate_data, part_of_all, passed_on, request, roots, seeds
from benchmarks.errors import UserError
from benchmarks.forecast import Forecast, load_forecasts
from benchmarks.launch import start
from benchmarks.modules import needs_data
from benchmarks.runs import announce
from benchmarks.speeds import load_speeds
from benchmarks.strict import load_claim, load_published
from results.collect import trained_row
from results.render import table
from results.stored import records_of

# Dense products of 16 bits, 1e12 a second, by NVIDIA's data sheets; no training reaches them, hence only their ratio.
PEAKS = {
    "P100": 21.2, "V100": 125, "A100": 312, "L40S": 362, "RTX4090": 165, "H100": 989, "H200": 989, "B200": 2250,
}  # fmt: skip
COLUMNS = ("run", "steps", "time a seed", "seeds", "GPU-hours of all", "memory", "disk", "cost", "by")
SECONDS_AN_HOUR = 3600


@dataclass(frozen=True)
class Machine:
    """The GPUs of a plan: their kind, None for those of this machine, and the price of one an hour."""

    gpu: str | None
    price: float | None


@dataclass(frozen=True)
class Cost:
    """What one seed of a variant takes; None where nobody knows.

    `hours` pass from start to end; `memory` is GiB of a GPU, or else of a process, `disk` GiB of the whole run.
    """

    hours: float | None
    by: str
    devices: int = 1
    on_gpu: bool = True
    steps: int | None = None
    memory: float | None = None
    disk: float | None = None


def plan(options: Namespace, names: list[str]) -> str:
    """The plan as a table, a line a variant.

    Raises:
        UserError: an option is wrong.
    """
    machine = _machine(options)
    data = {} if options.data is None else roots(options.data, options.benchmark, names)
    lines: list[Sequence[str]] = [COLUMNS]
    for name in names:
        given = part_of_all(options, load_claim(name), data.get(name))
        asked = request(name, given, ("full", "because a plan is of full runs"))
        count = len(seeds(options.seeds, asked.claim, asked.profile))
        costs = {variant: _cost(asked, variant, machine, given) for variant in asked.variants}
        lines += [_cells(asked, variant, cost, machine, count) for variant, cost in costs.items()]
    return table(lines)


def _machine(options: Namespace) -> Machine:
    if options.gpu is not None and options.gpu not in PEAKS:
        raise UserError(f"GPU={options.gpu} is not known. Known: {', '.join(PEAKS)}; leave it out for this machine's.")
    return Machine(options.gpu, None if options.price is None else _price(options.price))


def _price(text: str) -> float:
    with suppress(ValueError):
        if 0 <= float(text) < inf:
            return float(text)
    raise UserError(f"PRICE={text} is no price of an hour of a GPU.")


def _devices(asked: Request) -> int:
    devices = asked.overrides.get("trainer", {}).get("devices", 1)
    if not isinstance(devices, int) or devices < 1:
        raise UserError(
            f"DEVICES is {devices}; of GPUs that are not here a plan needs their number, such as DEVICES=8."
        )
    return devices


def _cost(asked: Request, variant: str | None, machine: Machine, options: Namespace) -> Cost:
    unread = asked.data is None and needs_data(asked.claim) and asked.profile == "full"
    if unread and machine.gpu is not None:
        return _published(asked, variant, machine.gpu)
    try:
        data = None if unread else locate_data(asked, training=True)
    except UserError as error:
        if options.benchmark is not None:
            raise
        return Cost(None, str(error).splitlines()[0])  # one of many, whose data cost the others no line
    found = _forecasts("steps" if unread else "run", asked, variant, data, options)
    if isinstance(found, str):
        return _otherwise(asked, variant, f"could not be rehearsed: {found}", unread)
    return _measured(found, _made_up(asked, found) if unread else "measured here")


def _otherwise(asked: Request, variant: str | None, why: str, unread: bool) -> Cost:
    """The cost where nothing could be measured: what others published, if the run is like one of theirs."""
    with suppress(UserError):
        others = _published(asked, variant, None)
        if unread and others.hours is not None:
            return replace(others, by=f"{why}; {others.by}")
    return Cost(None, why)


def _forecasts(
    command: str, asked: Request, variant: str | None, data: str | None, options: Namespace
) -> tuple[Forecast, ...] | str:  # fmt: skip
    """The forecasts of the stages, made by another process; or why there are none."""
    announce(f"{asked.benchmark}{f' {variant}' if variant else ''}: rehearsing")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "forecast.json"
        rehearsal = Namespace(**{**vars(options), "rehearse": command == "run", "fresh": False})
        seed = seeds(None, asked.claim, asked.profile)[0]
        given = (*passed_on(rehearsal, asked, variant, data), f"--seeds={seed}", f"--forecast={path}")
        child = start((command, asked.benchmark, *given), stdout=DEVNULL, stderr=PIPE)
        _, told = child.communicate()
        if child.returncode == 0 and path.exists():
            return load_forecasts(path)
    why = told.decode().strip().splitlines()[-1:] or ["too few steps an epoch"]
    return why[0].removeprefix("error: ")


def _measured(stages: tuple[Forecast, ...], by: str) -> Cost:
    hours = sum(stage.seconds for stage in stages) / SECONDS_AN_HOUR
    steps, disk = sum(stage.steps for stage in stages), sum(stage.disk for stage in stages)
    memory = max(stage.memory for stage in stages) if all(stage.parts == 1 for stage in stages) else None
    return Cost(hours, by, stages[-1].processes, stages[-1].on_gpu, steps, memory, disk)


def _made_up(asked: Request, stages: tuple[Forecast, ...]) -> str:
    """How such a figure came about, and what it leaves out."""
    told = "measured here on synthetic input of the largest sizes, training alone"
    if any(stage.parts > 1 for stage in stages):
        told += f", steps in {' and '.join(str(stage.parts) for stage in stages)} parts"
    examples = round(sum(stage.speed.value * stage.training for stage in stages))
    return "; ".join([told, *_fed(asked.benchmark, examples)])


def _published(asked: Request, variant: str | None, gpu: str | None) -> Cost:
    """The cost by what others published, scaled from their GPU to `gpu`; on theirs where none is named."""
    found = next((each for each in load_published(asked.benchmark) if each.variant == variant), None)
    if found is None:
        return Cost(None, "nobody has published it: give DATA, or leave GPU out")
    gpu, devices = gpu or found.gpu, _devices(asked)
    hours = found.gpu_hours * PEAKS[found.gpu] / PEAKS[gpu]
    scaled = "" if gpu == found.gpu else f", scaled to {gpu} by peak arithmetic, at best"
    by = f"{found.gpu_hours:g} {found.gpu}-hours published{scaled}: {found.source}"
    return Cost(hours / devices, "; ".join([by, *_fed(asked.benchmark, found.examples)]), devices)


def _fed(benchmark: str, examples: int | None) -> Iterator[str]:
    """How long the processor takes over the input, where that was measured: no GPU makes it shorter."""
    speeds = load_speeds(benchmark)
    if examples is not None and speeds is not None:
        hours = examples / speeds.ours.speed[1] / SECONDS_AN_HOUR
        machine = f"{speeds.ours.processes} processes on {speeds.cpu}, once it is in memory"
        yield f"reading the input takes {_duration(hours)} with {machine}"


def _cells(
    asked: Request, variant: str | None, cost: Cost, machine: Machine, count: int
) -> tuple[str, ...]:  # fmt: skip
    """The line of a variant that `count` seeds are asked for."""
    used = cost.hours * cost.devices * count if cost.on_gpu and cost.hours is not None else None
    price = None if used is None or machine.price is None else used * machine.price
    return (
        asked.benchmark + (f" {variant}" if variant else ""), _told(cost.steps, "{:,}"), _duration(cost.hours),
        str(count), _told(used, "{:.1f}"), _told(cost.memory, "{:.1f} GiB"),
        _told(None if cost.disk is None else cost.disk * count, "{:.2f} GiB"), _told(price, "{:,.2f}"),
        "; ".join([cost.by, *_needed(asked, variant)]),
    )  # fmt: skip


def _duration(hours: float | None) -> str:
    return _told(hours, "{:.1f} h") if hours is None or hours >= 1 else f"{60 * hours:.1f} min"


def _told(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def _needed(asked: Request, variant: str | None) -> Iterator[str]:
    """How many seeds a verdict takes, by the spread between those that were run."""
    records = records_of(asked.benchmark, "full") if asked.profile == "full" else []
    for reading in asked.claim.testable:
        row = trained_row(asked.benchmark, asked.claim, reading, records)
        if reading.variant == variant and row.interval is not None:
            count = row.interval.seeds
            found = f"{reading.name} is {row.verdict}, {count} seed{'s' if count > 1 else ''} so far"
            yield row.note if row.verdict == "inconclusive" else found
