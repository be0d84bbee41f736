"""Weights & Biases: one run per training, offline unless the user is logged in, and nothing depends on it.

Offline mode cannot resume (every start writes another folder), so an offline run is written once, at the end, from
`metrics.csv`; online, the same is done under the run's own id. `WANDB_MODE` is respected.
"""

import logging
import os
from pathlib import Path
from typing import Any

from benchmarks.curves import rows
from benchmarks.schema import Record, Tracking

PROJECT = "claims"


def mode() -> str:
    """`online` where there is an API key, else `offline`; WANDB_MODE decides where it is set."""
    asked = os.environ.get("WANDB_MODE")
    if asked in ("online", "offline", "disabled"):
        return asked
    import wandb

    return "online" if wandb.api.api_key else "offline"


def tracking(run_id: str) -> Tracking:
    """What the record says of the W&B run, whose id is the run's own."""
    chosen = mode()
    return Tracking(None if chosen == "disabled" else run_id, chosen)


def publish(record: Record, folder: Path, verdicts: dict[str, str]) -> None:
    """Writes config, curves, final metrics, verdicts and predictions as one complete W&B run under `folder`.

    A failure is reported and leaves the record as it is: the verdict does not depend on W&B.
    """
    if record.wandb.mode == "disabled":
        return
    import wandb

    try:
        settings = wandb.Settings(silent=True, console="off", x_disable_stats=True, x_disable_meta=True)
        with wandb.init(
            project=PROJECT, group=record.benchmark, id=record.wandb.id, name=record.run_id, dir=folder,
            mode=record.wandb.mode, resume="allow" if record.wandb.mode == "online" else None,
            config=record.config, settings=settings,
        ) as run:  # fmt: skip
            _log(run, folder, record, verdicts)
    except (wandb.Error, OSError) as error:
        logging.getLogger(__name__).warning("Weights & Biases could not take the run: %s", error)


def _log(run: Any, folder: Path, record: Record, verdicts: dict[str, str]) -> None:
    if (folder / "metrics.csv").exists():
        for step, values in _by_step(folder / "metrics.csv").items():
            run.log(values, step=step)
    run.summary.update({key: measured.value for key, measured in record.metrics.items()})
    run.summary.update({f"verdict/{reading}": words for reading, words in verdicts.items()})
    for file in (folder / "predictions").rglob("*.*"):
        run.save(str(file), base_path=str(folder), policy="now")


def _by_step(path: Path) -> dict[int, dict[str, float]]:
    steps: dict[int, dict[str, float]] = {}
    for step, name, value in rows(path):
        steps.setdefault(step, {})[name] = value
    return steps
