"""Which run a command means: ids follow from variant, seed and configuration; one process at a time works on each."""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.environment import Code, packages
from benchmarks.errors import Busy, UserError
from benchmarks.files import lock, make_folder, sha256, write_atomically, writing
from benchmarks.paths import record_file, relative, run_folder
from benchmarks.processes import PARENT
from benchmarks.schema import DIGEST, VOCABULARY, Profile, StoredFile

BEGINNING = "run.json"  # in the folder of a run: how it began, and what is known of all its starts
FOLLOWED_RUN = "BENCHMARKS_RUN_ID"  # tells the ranks that rank zero starts which run it chose
OF_RANKS = ("LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "MASTER_ADDR", "MASTER_PORT")  # what a launcher tells its own


def base_of(profile: Profile, variant: str | None, seed: int | None, config_hash: str | None) -> str:
    """The id of a training run, but for the counter of those that FRESH adds."""
    return "-".join([profile, *([] if variant is None else [variant]), f"s{seed}", str(config_hash)])


def choose_run(benchmark: str, base: str, fresh: bool) -> str:
    """The id of the run to start, continue or show: the newest of this configuration, or with `fresh` one more."""
    if FOLLOWED_RUN in os.environ and not first_process() and not externally_launched():
        return os.environ[FOLLOWED_RUN]
    counter = 1
    while _exists(benchmark, numbered(base, counter + 1)):
        counter += 1
    newest = numbered(base, counter)
    there = _exists(benchmark, newest)
    if fresh and externally_launched():
        move = f"Move {relative(run_folder(benchmark, newest))} and its record away instead."
        raise UserError(
            "FRESH=1 does not work under torchrun or SLURM, whose processes could choose differently. "
            + (move if there else f"Leave it out: there is no run {base} yet.")
        )
    return numbered(base, counter + 1) if fresh and there else newest


def numbered(base: str, counter: int) -> str:
    """The id of the first, second or later run of a kind: the kind's own, then `<base>-2` and so on."""
    return base if counter == 1 else f"{base}-{counter}"


def _exists(benchmark: str, run_id: str) -> bool:
    return run_folder(benchmark, run_id).exists() or record_file(benchmark, run_id).exists()


def externally_launched() -> bool:
    """Whether torchrun or SLURM's srun started this process, one of several."""
    # A step of one task is a shell, in which Lightning starts the processes itself.
    return "TORCHELASTIC_RUN_ID" in os.environ or ("SLURM_STEP_ID" in os.environ and _tasks() > 1)


def _tasks() -> int:
    """Number of tasks in this SLURM step: a shell of salloc is a step of one, within a job of many."""
    return int(os.environ.get("SLURM_STEP_NUM_TASKS", os.environ.get("SLURM_NTASKS", "1")))


def forget_launchers() -> None:
    """Drops what a launcher left in a user's shell, whose own command is no rank of anything.

    It would pass for another rank, which holds no folder and writes no record, or wait for a first one elsewhere.
    """
    if PARENT not in os.environ and not externally_launched():
        for name in OF_RANKS:
            os.environ.pop(name, None)


def launched_processes() -> int | None:
    """How many processes torchrun or srun started for this run; None where Lightning starts them itself."""
    if not externally_launched():
        return None
    return int(os.environ["WORLD_SIZE"]) if "TORCHELASTIC_RUN_ID" in os.environ else _tasks()


def announce(text: str) -> None:
    """Prints a line at once, on the first of several processes only."""
    if first_process():
        print(text, flush=True)


def first_process() -> bool:
    """Whether this is rank zero, told before any process group is there (torchrun, SLURM, Lightning's own launcher)."""
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return os.environ["RANK"] == "0"
    # In a SLURM shell of one task, Lightning's own ranks inherit its SLURM_PROCID of 0.
    return os.environ.get("SLURM_PROCID" if externally_launched() else "LOCAL_RANK", "0") == "0"


def first_of_machine() -> bool:
    """Whether this is the first of the run's processes on this machine."""
    return os.environ.get("LOCAL_RANK", os.environ.get("SLURM_LOCALID", "0")) == "0"


@contextmanager
def occupied(folder: Path, taken: str | None = None) -> Iterator[None]:
    """Holds a folder for this process.

    Args:
        folder: made if it is not there. Its `.lock` stays, as whoever removed it might remove the next one's.
        taken: what to say where another process holds it, if not what is said of a run's.

    Raises:
        Busy: another process holds it.
        UserError: it may not be written to, or its file system has no locks.
    """
    with writing(folder):
        make_folder(folder)
        file = (folder / ".lock").open("w")
    with file:
        for _ in range(30):  # a killed run lets go a moment after its parent
            try:
                lock(file, folder, wait=False)
                break
            except BlockingIOError:
                time.sleep(0.1)
        else:
            raise Busy(taken or f"another process is working on {relative(folder)}. Wait for it, or stop it.")
        yield


def now() -> str:
    """The time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def end_of(started: str, seconds: float) -> tuple[str, tuple[str, ...]]:
    """The time at which something ends, never before it has taken so long; and a note where the clock says otherwise.

    Rows take the newest run of a seed, and a record that ends before it begins contradicts itself.
    """
    clock, least = now(), datetime.fromisoformat(started) + timedelta(seconds=int(seconds))
    if datetime.fromisoformat(clock) >= least:
        return clock, ()
    return least.isoformat(), (
        f"the clock was set back meanwhile: it showed {clock} at the end, so `finished` is `started` and `seconds`",
    )


@dataclass(frozen=True)
class Beginning:
    """How a run began: when, on which data, with which weights; and the code of all its starts."""

    started: str
    data: dict[str, Any]
    initialised_from: StoredFile | None
    code: Code


def begin_or_continue(
    folder: Path, data: dict[str, Any], code: Code, first_weights: Callable[[], Path | None]
) -> Beginning:
    """How a run began; at its first start this is written down, with what its data are, and at each with which code.

    Args:
        folder: of the run.
        data: what its data are now.
        code: what is about to run.
        first_weights: finds the file that training begins with; asked at the first start alone.

    Raises:
        UserError: the run began on other data, or that file cannot be had.
    """
    path = folder / BEGINNING
    if not path.exists():
        weights = first_weights()
        stored = None if weights is None else asdict(StoredFile(relative(weights), sha256(weights)))
        known = {"started": now(), "data": data, "initialised_from": stored, "code": asdict(code)}
        write_atomically(path, json.dumps(known).encode())
    known = json.loads(path.read_text(encoding="utf-8"))
    last = known.get("states", [{"packages": {}}])[-1]
    require_same_data(
        f"{relative(folder)} was begun", known["data"], data, last["packages"], "start another run with FRESH=1"
    )
    before = Code(**known["code"]) if "code" in known else Code(None, True)  # as where an earlier version began it
    together = before.then(code)
    if together != before:
        write_atomically(path, json.dumps(known | {"code": asdict(together)}).encode())
    weights = known.get("initialised_from")
    return Beginning(str(known["started"]), data, None if weights is None else StoredFile(**weights), together)


def recorded(data: dict[str, Any]) -> dict[str, Any]:
    """What a record keeps of what the data are: counts and digests, and not the names of a thousand classes."""
    return {key: value for key, value in data.items() if not isinstance(value, list)}


def require_same_data(
    what: str, before: dict[str, Any], after: dict[str, Any], versions: Mapping[str, str], otherwise: str
) -> None:
    """Refuses to take what was made on some data for what others would give.

    Args:
        what: was made on them, and how, such as "<run> was begun".
        before: what the data were then; an earlier version wrote no digests beside counts.
        after: what they are now.
        versions: of the packages then, as far as they were written down.
        otherwise: what to do where the data are meant to be others.

    Raises:
        UserError: the data differ, it says in what; or what another version of a package learns from them.
    """
    known = before | {key: value for key, value in after.items() if key in before or not key.endswith(DIGEST)}
    changed = [key for key in known if before.get(key) != after.get(key)]
    if changed == [VOCABULARY]:
        _require_same_learner(what, versions, otherwise)
    if changed:
        raise UserError(
            f"{what} on other data than DATA now holds ({told_apart(changed, (before, 'then'), (after, 'now'))}). "
            f"Point DATA at the same data, or {otherwise}."
        )


def told_apart(keys: Iterable[str], *data: tuple[Mapping[str, Any], str]) -> str:
    """What data are by some keys, each with where or when they are so: `train: 1200 then, 1190 now`."""
    return ", ".join(f"{key}: " + ", ".join(f"{_shown(each.get(key))} {where}" for each, where in data) for key in keys)


def _require_same_learner(what: str, versions: Mapping[str, str], otherwise: str) -> None:
    """Refuses another version of what learns a vocabulary, which makes another one of the same data."""
    then, now = (each.get("sentencepiece") for each in (versions, packages()))
    if then not in (None, now):
        raise UserError(
            f"{what} with the subwords that sentencepiece {then} learns, and {now}, which is installed now, learns "
            f"others from the same data. Install the former (`.venv/bin/python -m pip install sentencepiece=={then}`), "
            f"or {otherwise}."
        )


def _shown(value: Any) -> str:
    """A list, such as of a thousand names, by its length and its first entry."""
    return f"{len(value)} from {value[0]} on" if isinstance(value, list) and value else str(value)
