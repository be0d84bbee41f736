"""The interquartile mean over runs, by rliable, which `make peers` installs: no pandas suits both it and the suite."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from benchmarks.paths import ROOT

TOOL = "rliable"
PEERS = ROOT / ".venv-peers/bin/python"

# From [runs of each name, replicates] to [version, name -> mean, name -> ends of the interval], or to null without it.
PROGRAM = """
import json, sys
from importlib.metadata import version
import numpy as np
try:
    from rliable import library, metrics
except ModuleNotFoundError:
    print("null")
    sys.exit()
runs, replicates = json.load(sys.stdin)
scores = {name: np.array(values)[:, None] for name, values in runs.items()}  # runs x tasks
estimate = lambda drawn: np.array([metrics.aggregate_iqm(drawn)])
means, ends = library.get_interval_estimates(scores, estimate, reps=replicates)
found = {name: means[name].item() for name in runs}, {name: ends[name].ravel().tolist() for name in runs}
print(json.dumps([version("rliable"), *found]))
"""


@dataclass(frozen=True)
class Estimates:
    """What rliable of this version says of the runs of each name."""

    version: str
    means: dict[str, float]
    intervals: dict[str, tuple[float, float]]


def estimates(runs: Mapping[str, Sequence[float]], replicates: int = 1) -> Estimates:
    """All names by one process, as it takes seconds to start.

    Args:
        runs: name -> what each run of it measured.
        replicates: of the bootstrap over runs that the intervals are of; the means need none.

    Raises:
        ModuleNotFoundError: neither this interpreter nor the peers' has rliable.
        RuntimeError: it fails.
    """
    python = Path(sys.executable) if find_spec(TOOL) else PEERS
    if not python.is_file():
        raise ModuleNotFoundError(name=TOOL)
    question = json.dumps([runs, replicates])
    told = subprocess.run([python, "-c", PROGRAM], input=question, capture_output=True, check=False, text=True)
    if told.returncode:
        raise RuntimeError(f"{TOOL} fails: {told.stderr.strip().rpartition(chr(10))[2]}")
    if (found := json.loads(told.stdout)) is None:
        raise ModuleNotFoundError(name=TOOL)
    version, means, intervals = found
    return Estimates(version, means, {name: (low, high) for name, (low, high) in intervals.items()})
