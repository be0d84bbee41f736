"""The interquartile mean over runs, by rliable, which `make peers` installs: no pandas suits both it and the suite."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from benchmarks.paths import ROOT

TOOL = "rliable"
PEERS = ROOT / ".venv-peers/bin/python"

# From the runs of each name to [version, name -> mean], or to null without it.
PROGRAM = """
import json, sys
from importlib.metadata import version
import numpy as np
try:
    from rliable import metrics
except ModuleNotFoundError:
    print("null")
    sys.exit()
scores = {name: np.array(values)[:, None] for name, values in json.load(sys.stdin).items()}  # runs x tasks
print(json.dumps([version("rliable"), {name: float(metrics.aggregate_iqm(each)) for name, each in scores.items()}]))
"""


def interquartile_means(runs: Mapping[str, Sequence[float]]) -> tuple[str, dict[str, float]]:
    """All names by one process, as it takes seconds to start.

    Args:
        runs: name -> what each run of it measured.

    Returns:
        rliable's version, and name -> mean.

    Raises:
        ModuleNotFoundError: neither this interpreter nor the peers' has rliable.
        RuntimeError: it fails.
    """
    python = Path(sys.executable) if find_spec(TOOL) else PEERS
    if not python.is_file():
        raise ModuleNotFoundError(name=TOOL)
    told = subprocess.run([python, "-c", PROGRAM], input=json.dumps(runs), capture_output=True, check=False, text=True)
    if told.returncode:
        raise RuntimeError(f"{TOOL} fails: {told.stderr.strip().rpartition(chr(10))[2]}")
    if (found := json.loads(told.stdout)) is None:
        raise ModuleNotFoundError(name=TOOL)
    version, means = found
    return version, means
