"""BLEU and chrF by sacreBLEU's own command."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from results.scoring.rows import locate

TOOL = "sacrebleu"


def score(path: Path, root: str | None, split: str) -> dict[str, float]:
    """BLEU and chrF of `hyp.txt` against `ref.txt`.

    Raises:
        ValueError: sacreBLEU refuses them.
    """
    hypotheses = locate(path, "hyp.txt")
    references = hypotheses.with_name("ref.txt")
    if not references.is_file():
        raise FileNotFoundError(references)
    if find_spec(TOOL) is None:
        raise ModuleNotFoundError(name=TOOL)
    command = [sys.executable, "-m", TOOL, str(references), "-i", str(hypotheses), "-m", "bleu", "chrf", "-w", "17"]
    done = subprocess.run([*command, "-f", "json"], check=False, capture_output=True, text=True)
    if done.returncode:
        raise ValueError(" ".join(done.stderr.split()))
    bleu, chrf = json.loads(done.stdout)
    return {"bleu": float(bleu["score"]), "chrf": float(chrf["score"])}
