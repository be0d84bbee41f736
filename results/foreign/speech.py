"""Word errors by jiwer."""

from pathlib import Path

from results.scoring.rows import locate

TOOL = "jiwer"


def score(path: Path, root: str | None, split: str) -> dict[str, float]:
    """Percentages from `hyp.trn` and `ref.trn`, whose lines are matched by their ids."""
    file = locate(path, "hyp.trn")
    said, heard = _lines(file.with_name("ref.trn")), _lines(file)
    import jiwer

    pairs = [(text, heard[each]) for each, text in said.items()]
    found = jiwer.process_words([text for text, _ in pairs], [text for _, text in pairs])
    errors = found.substitutions + found.deletions + found.insertions
    wrong = 100 * errors / (found.substitutions + found.deletions + found.hits)
    sentences = 100 * sum(text.split() != other.split() for text, other in pairs) / len(pairs)
    return {"wer": wrong, "word_accuracy": 100 - wrong, "sentence_error_rate": sentences}


def _lines(path: Path) -> dict[str, str]:
    lines = (line.strip().rpartition("(") for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    return {name.rstrip(")"): text.strip().upper() for text, _, name in lines}
