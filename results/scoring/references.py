r"""Are the references that hypotheses were compared with the official ones?

They come from DATA, which may be anybody's copy. sacreBLEU's own, made from WMT's archive, is the measure: it lies in
`~/.sacrebleu`, or where the variable SACREBLEU says, after `make data-wmt_transformer` or, on any machine with a
network, `sacrebleu -t wmt14/full -l en-de --echo ref`. Nothing is downloaded here.
"""

import hashlib
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from benchmarks.schema import References

SETS = {"newstest2013": "wmt13", "newstest2014": "wmt14/full", "newstest2015": "wmt15"}
"""sacreBLEU's names of the test sets."""


def checked(references: Sequence[str], split: str) -> References:
    r"""Compares with sacreBLEU's copy, but for what is only white space of another kind or width.

    Args:
        references: in the order of the test set, one a sentence, none with a "\n" in it.
        split: test set and direction, such as `newstest2014.en-de`.
    """
    name, _, direction = split.partition(".")
    digest = hashlib.sha256("".join(f"{text}\n" for text in references).encode()).hexdigest()
    return References(digest, *_compared(references, SETS[name], direction))


def _compared(references: Sequence[str], name: str, direction: str) -> tuple[bool | None, str]:
    official = _official(name, direction)
    if official is None:
        return None, f"only their number was checked, as sacreBLEU's {name} is not on this machine"
    pairs = list(zip_longest(map(one_spaced, references), official))
    different = [number for number, (ours, theirs) in enumerate(pairs, 1) if ours != theirs]
    if not different:
        return True, f"equal to sacreBLEU's {name}"
    count = f"{len(different):,} of {len(pairs):,} lines, first line {different[0]:,}"
    return False, f"differ from sacreBLEU's {name} in {count}"


def _official(name: str, direction: str) -> list[str] | None:
    """The references that sacreBLEU keeps; None where it has not made them.

    It writes a direction's files one behind another, so that a reference is whole once all of them are there.
    """
    from sacrebleu.dataset import DATASETS  # takes 0.1 s, which `make tables` need not wait for

    dataset = DATASETS[name]
    files = {field: Path(dataset._get_txt_file_path(direction, field)) for field in dataset.fieldnames(direction)}
    if not all(file.is_file() for file in files.values()):
        return None
    lines = files["ref"].read_bytes().decode(errors="replace").split("\n")
    return [one_spaced(line) for line in (lines if lines[-1] else lines[:-1])]


def one_spaced(text: str) -> str:
    """A text with one space wherever it has white space, and none at its ends.

    Neither BLEU nor chrF see the difference, and sacreBLEU's own copies have theirs taken out (`Dataset._clean`), where
    WMT's files and their copies on the hub have some: four lines of English newstest2014 (523, 688, 881, 1,908).
    """
    return " ".join(text.split())
