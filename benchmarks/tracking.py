"""Weights & Biases: one run per training, offline unless the user is logged in, and nothing depends on it.

Offline mode cannot resume (every start writes another folder), so an offline run is written once, at the end, from
`metrics.csv` and the record; online, that completes what `live.py` has sent meanwhile. `WANDB_MODE` is respected.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.curves import METRICS, rows
from benchmarks.paths import ROOT, record_file, relative
from benchmarks.processes import Stopped
from benchmarks.schema import Profile, Record, Tracking

PROJECT = "claims"
LONGEST_TAG = 64  # characters; W&B refuses a run that has a longer one
PATIENCE = 30  # seconds in which its server has to answer, and to take the whole of a run
LAST_WORDS = 10  # seconds in which it has to take the last of a training, which may have been told to stop
STEP = "trainer/global_step"  # the step within a stage, by which W&B draws curves; Lightning's own name for it


def mode() -> str:
    """`online` where the user is logged in, else `offline`; WANDB_MODE may ask for less, or for a warning."""
    asked = os.environ.get("WANDB_MODE") or "online"
    if asked != "online":
        return "disabled" if asked == "disabled" else "offline"
    if _logged_in():
        return "online"
    if os.environ.get("WANDB_MODE"):  # W&B would ask for a key, and training would wait for the answer
        warn("WANDB_MODE is online, but nobody is logged in (`.venv/bin/wandb login`). It is written offline")
        os.environ["WANDB_MODE"] = "offline"
    return "offline"


def _logged_in() -> bool:
    """Whether there are credentials: in the environment, in the settings or in .netrc.

    `wandb.login(prompt=False)`, which W&B recommends for this, prints and asks its server; this is what it looks at, no
    public part of W&B.
    """
    import wandb

    try:
        from wandb.sdk.lib import wbauth

        host = wandb.setup(wandb.Settings(silent=True)).settings.base_url
        found = wbauth.authenticate_session(host=host, source="", prompt=False, update_session=False)
    except Exception as error:  # noqa: BLE001 (a WANDB_ variable that is no number, a .netrc that is none: not ours to judge)
        warn(error)
        return False
    return found is not None


def warn(error: BaseException | str) -> None:
    """Says in a line that something went wrong, which is all that comes of it."""
    logging.getLogger(__name__).warning("Weights & Biases could not take the run: %s", " ".join(str(error).split()))


def tracking(run_id: str) -> Tracking:
    """What the record says of the W&B run, whose id is the run's own."""
    chosen = mode()
    return Tracking(None if chosen == "disabled" else run_id, chosen)


def publish(record: Record, folder: Path, verdicts: Mapping[str, str]) -> None:
    """Writes config, curves, final metrics, verdicts, predictions and record as one complete W&B run under `folder`.

    It is written offline where it cannot be sent in time. A failure is reported and leaves the record, which is written
    already, as it is: no verdict depends on W&B.

    Raises:
        Stopped: a signal came meanwhile.
    """
    if record.wandb.mode == "disabled":
        return
    try:
        if not _write(record, folder, verdicts, mode()):
            _write(record, folder, verdicts, "offline")
    except Stopped as stop:  # the same command would not publish it any more, as its record is there
        warn(stop)
        raise
    except Exception as error:  # noqa: BLE001 (whatever it is, the run is measured and its record is written)
        warn(error)


def _write(record: Record, folder: Path, verdicts: Mapping[str, str], mode: str) -> bool:
    """Writes the run online or offline, and says whether it is there as a whole.

    One that W&B did not take in time is not, though it keeps its values to send them later: it keeps no artifacts.
    """
    run = begin(record.run_id, folder, mode, _config(record), _tags(record, verdicts))
    if run is None:
        return False
    try:
        try:  # `with run` would print the traceback of what is said in a line
            _log(run, folder, record, verdicts)
        finally:
            run.finish()
    except TimeoutError as error:
        go_offline(error, folder)
        return False
    return True


def begin(
    run_id: str, folder: Path, mode: str, config: Mapping[str, Any], tags: Sequence[str], *, watched: bool = False
) -> Any:
    """The W&B run of a training, continued where it was begun; the runs of one recipe are a group.

    Args:
        run_id: of the training.
        folder: where W&B's files go.
        mode: `online` or `offline`.
        config: what tells it from others, `described` among it.
        tags: to find it by.
        watched: whether the load of the machine is sent too.

    Returns:
        It; None where it cannot be begun online, which is said: from then on this process is offline.
    """
    import wandb

    try:
        asked = _asked()
        run = wandb.init(
            project=asked.project or PROJECT, group=_recipe(config), job_type="train", id=run_id, name=run_id,
            tags=sorted({*tags, *(asked.run_tags or ())}), dir=folder,
            mode=mode,  # type: ignore[arg-type]
            resume="allow" if mode == "online" else None,
            config=dict(config), settings=_settings(watched),
        )  # fmt: skip
        run.define_metric("*", step_metric=STEP)
    except Exception as error:
        if mode != "online":
            raise
        go_offline(error, folder)
        return None
    return run


def _asked() -> Any:
    """What the user asks of all runs by variables and files of W&B's, without the sweep that an agent started us in.

    Within a sweep, W&B would take the agent's id for that of every run: those of a command would be one.
    """
    import wandb

    asked = wandb.setup(wandb.Settings(silent=True)).settings
    if asked.sweep_id is not None:
        logging.getLogger(__name__).warning("Weights & Biases shows the run by its own id, outside of the sweep")
        asked.sweep_id = asked.sweep_param_path = None
    return asked


def go_offline(error: Exception, folder: Path) -> None:
    """Has this process write its run offline, after an error that is said with how the run is sent later."""
    import wandb

    files = f"{relative(folder)}/wandb/offline-run-*"
    why = str(error).rstrip(".")
    warn(f"{why}. It is written offline at its end, and `.venv/bin/wandb sync {files}` sends it")
    os.environ["WANDB_MODE"] = "offline"
    wandb.teardown()  # it still holds the id


def _settings(watched: bool) -> Any:
    """Silence, and an end to all waiting; variables of W&B's decide how long it may take."""
    import wandb

    return wandb.Settings(
        silent=True, console="off", x_disable_stats=not watched, x_disable_meta=True,
        init_timeout=float(os.environ.get("WANDB_INIT_TIMEOUT", PATIENCE)),
        finish_timeout=float(os.environ.get("WANDB_FINISH_TIMEOUT", LAST_WORDS if watched else PATIENCE)),
        finish_timeout_raises=True,
    )  # fmt: skip


def described(
    benchmark: str, profile: Profile, variant: str | None, seed: int | None, config_hash: str | None
) -> dict[str, Any]:
    """What a run is of, for its configuration on W&B."""
    return {
        "benchmark": benchmark, "profile": profile, "variant": variant, "seed": seed, "config_hash": config_hash
    }  # fmt: skip


def _recipe(config: Mapping[str, Any]) -> str:
    """What the seeds of a recipe have in common, such as `imagenet full 878a65383054`."""
    return " ".join(str(config[key]) for key in ("benchmark", "variant", "profile", "config_hash") if config[key])


def _config(record: Record) -> dict[str, Any]:
    about = described(record.benchmark, record.profile, record.variant, record.seed, record.config_hash)
    where = record.environment
    machine = {"commit": where.commit, "cpu": where.cpu, "gpus": list(where.gpus), "world_size": where.world_size}
    return about | machine | (record.config or {})


def _tags(record: Record, verdicts: Mapping[str, str]) -> list[str]:
    """Verdicts, each before its reading, whose name may be cut; and what tells a miniature from evidence."""
    words = [f"{verdict}: {reading}"[:LONGEST_TAG] for reading, verdict in verdicts.items()]
    return [*words, record.profile, "official" if record.official else "unofficial"]


def _log(run: Any, folder: Path, record: Record, verdicts: Mapping[str, str]) -> None:
    send_curves(run, {f"{name}/" if name else "": folder / name for name in (*record.stages, "")})
    for key, measured in record.metrics.items():
        low, high = measured.ci95
        run.summary.update({key: measured.value, f"{key}/ci95_low": low, f"{key}/ci95_high": high})
    run.summary.update({f"verdict/{reading}": words for reading, words in verdicts.items()})
    run.summary.update({f"baseline/{name}": baseline.value for name, baseline in record.baselines.items()})
    run.summary["seconds"] = record.seconds
    if (speed := record.throughput) is not None:
        run.summary.update({f"throughput ({speed.unit})": speed.value, "data_wait": speed.data_wait})
    file = record_file(record.benchmark, record.run_id)
    run.log_artifact(_artifact(record, "record", {file.name: file}))
    run.log_artifact(_artifact(record, "predictions", _predictions(folder, record)))


def _predictions(folder: Path, record: Record) -> dict[str, Path]:
    """Name -> file of predictions; names are the same below the run's folder and beside its record."""
    kept = record_file(record.benchmark, record.run_id).with_suffix("").resolve()
    made = (folder / "predictions").resolve()
    paths = [(ROOT / stored.path).resolve() for stored in record.predictions]
    return {str(path.relative_to(kept if path.is_relative_to(kept) else made)): path for path in paths}


def _artifact(record: Record, kind: str, files: dict[str, Path]) -> Any:
    """Files to upload from where they lie: an offline run does not copy them, so they must be there when it syncs."""
    import wandb

    artifact = wandb.Artifact(f"{record.run_id}-{kind}", kind)
    for name, path in files.items():
        artifact.add_file(str(path), name, policy="immutable", skip_cache=True)
    return artifact


def send_curves(run: Any, folders: Mapping[str, Path]) -> None:
    """Sends what the `metrics.csv` of all stages hold and W&B does not, by folders and what keys of a stage begin with.

    The steps of each stage are counted from the end of the one before.
    """
    begun = 0
    for prefix, folder in folders.items():
        steps = steps_of(folder)
        for step, values in steps.items():
            send_row(run, begun, step, prefix, values)
        begun += max(steps, default=0)


def send_row(run: Any, begun: int, step: int, prefix: str, values: Mapping[str, float]) -> None:
    """Sends the values of a stage's step, unless it was sent before the run was continued."""
    if begun + step >= run.starting_step:
        run.log({STEP: step} | {prefix + name: value for name, value in values.items()}, step=begun + step)


def steps_of(folder: Path) -> dict[int, dict[str, float]]:
    """Step -> name -> value of the `metrics.csv` in a folder; nothing where there is none."""
    path = folder / METRICS
    steps: dict[int, dict[str, float]] = {}
    for step, name, value in rows(path) if path.exists() else ():
        steps.setdefault(step, {})[name] = value
    return steps
