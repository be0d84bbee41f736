"""An order resolved: which run it means, and the stages in which that run is fitted."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.assembly import Assembly
from benchmarks.claim import Claim
from benchmarks.config import (
    PROCESSES,
    Settings,
    config_hash,
    machine_settings,
    merge,
    resolve_settings,
    set_where,
    stages,
)
from benchmarks.errors import UserError
from benchmarks.measure import HeldOut, held_out
from benchmarks.paths import run_folder
from benchmarks.runs import base_of, choose_run, recorded, require_same_data
from benchmarks.schema import Profile, Record
from benchmarks.strict import load_claim


@dataclass(frozen=True)
class Order:
    """What the user asked for: one variant and one seed of a benchmark."""

    benchmark: str
    profile: Profile
    variant: str | None
    seed: int
    data: str | None  # the root of the data; None where the benchmark needs none
    overrides: Settings
    fresh: bool = False


@dataclass(frozen=True)
class Stage:
    """What one Trainer fits: a whole run, or a part of it, whose weights the next part begins with."""

    name: str  # empty where it is a whole run
    assembly: Assembly
    folder: Path
    tested: bool  # after it has been fitted, as the last one is

    @property
    def prefix(self) -> str:
        """How keys begin that are of this stage, in what is known of the whole run."""
        return "" if self.tested else f"{self.name}/"


@dataclass(frozen=True)
class PlannedRun:
    """An order worked out: what is assembled, stage by stage, and where it goes."""

    order: Order
    claim: Claim
    settings: Settings
    assemblies: dict[str, Assembly]  # of each stage; the last one is tested
    config_hash: str
    run_id: str
    folder: Path

    @property
    def earlier(self) -> tuple[Stage, ...]:
        """The stages before the last."""
        return tuple(Stage(name, each, self.folder / name, False) for name, each in [*self.assemblies.items()][:-1])

    @property
    def last(self) -> Stage:
        """The stage that is tested, in the folder of the run itself."""
        name, assembly = [*self.assemblies.items()][-1]
        return Stage(name, assembly, self.folder, True)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """All stages, in order."""
        return (*self.earlier, self.last)

    @cached_property
    def tests(self) -> tuple[HeldOut, ...]:
        """What the run is tested on; read once, as annotations and transcripts may be long."""
        return held_out(self.claim, self.order.variant, self.order.data)

    def data(self) -> dict[str, Any]:
        """What the data of all stages are, which are opened for that as training opens them.

        Raises:
            UserError: data are missing or malformed.
        """
        found: dict[str, Any] = {}
        for stage in self.stages:
            stage.assembly.datamodule.setup("fit")
            found |= {stage.prefix + key: value for key, value in stage.assembly.datamodule.fingerprint.items()}
        return found

    def require_data_of(self, record: Record, otherwise: str) -> None:
        """Looks whether a record of this plan was made of the data that DATA holds now.

        Args:
            record: maybe of a version that did not write down what its data were.
            otherwise: what to do where the data are meant to be others.

        Raises:
            UserError: it was not, or data are missing or malformed.
        """
        if self.order.data is not None and record.data:
            require_same_data(
                f"the record of {record.run_id} was made", record.data, recorded(self.data()),
                record.environment.packages, otherwise,
            )  # fmt: skip

    def identity(self, stage: Stage) -> dict[str, Any]:
        """What a checkpoint of a stage says of its run: enough to build it again."""
        order = self.order
        return {
            "benchmark": order.benchmark, "profile": order.profile, "variant": order.variant, "seed": order.seed,
            "settings": self.settings, "config_hash": self.config_hash, "run_id": self.run_id,
            "stage": None if stage.tested else stage.name,
        }  # fmt: skip

    def name_of(self, stage: Stage) -> str:
        """The run's id and the folder of the stage below it, as a user reads them."""
        return stage.folder.relative_to(run_folder(self.order.benchmark, "")).as_posix()

    def together(self, of_stages: list[Settings]) -> Settings:
        """What is known of each stage as one, as `config.yaml` and the record have it."""
        return {"stages": dict(zip(self.assemblies, of_stages, strict=True))} if self.earlier else of_stages[0]


def work_out(order: Order) -> PlannedRun:
    """Parses the configuration and finds the run that it means.

    Raises:
        UserError: the configuration is not valid.
    """
    settings = resolve_settings(order.benchmark, order.profile, order.variant, order.overrides)
    machine = machine_settings(order.seed, order.data)
    try:
        assemblies = {name: Assembly(merge(each, machine)) for name, each in stages(settings).items()}
        _require_one_beginning(assemblies)
        _require_one_machine(assemblies)
    except UserError as error:
        where = set_where(order.benchmark, order.profile, order.variant, order.overrides, str(error))
        raise UserError(f"{str(error).rstrip('.')}. {where}") from None
    hashed = config_hash(settings, [each.resolved for each in assemblies.values()])
    base = base_of(order.profile, order.variant, order.seed, hashed)
    run_id = choose_run(order.benchmark, base, order.fresh)
    folder = run_folder(order.benchmark, run_id)
    claim = load_claim(order.benchmark).within(order.profile)
    return PlannedRun(order, claim, settings, assemblies, hashed, run_id, folder)


def _require_one_beginning(assemblies: dict[str, Assembly]) -> None:
    """Refuses first weights for a stage that begins with those of the stage before it."""
    for name, assembly in [*assemblies.items()][1:]:
        if assembly.module.init_from is not None:
            raise UserError(
                f"stages.{name}.model.init_args.init_from is set, but the stage begins with the weights of the one "
                "before it. Leave it out, or set the stages before it to null."
            )


def _require_one_machine(assemblies: dict[str, Assembly]) -> None:
    """Refuses stages that would be fitted by other processes than those that the first one starts."""
    for key in PROCESSES:
        values = {name: assembly.resolved["trainer"][key] for name, assembly in assemblies.items()}
        if len({str(value) for value in values.values()}) > 1:
            told = ", ".join(f"{value} in {name}" for name, value in values.items())
            raise UserError(f"trainer.{key} is {told}; all stages of a run have the same. Set it for none by itself.")
