"""Beam search over CTC's output with a word n-gram model, by torchaudio's decoder on flashlight-text and KenLM."""

import gzip
import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from benchmarks.errors import UserError
from benchmarks.schema import Signature
from datamodules.subwords import BLANK, Subwords

GZIP = b"\x1f\x8b"


class CTCBeamSearch:
    """What is searched; the words are those of the language model.

    Args:
        language_model: an ARPA file, plain or compressed by gzip, such as `3-gram.arpa.gz` of openslr.org/11.
        width: hypotheses that are kept a frame.
        weight: of the language model's logarithmic probability, which KenLM gives to base 10.
        word_score: added for each word.
    """

    def __init__(self, language_model: str, width: int = 500, weight: float = 1.5, word_score: float = 0.0) -> None:
        self.language_model = Path(language_model).expanduser()
        self.width, self.weight, self.word_score = width, weight, word_score
        self.search: Any = None
        self.num_words = 0
        if width < 1:
            raise ValueError(f"beam.width is {width}; a beam keeps at least 1 hypothesis")

    @property
    def signature(self) -> Signature:
        """The protocol that the decoder's metrics carry."""
        with self.language_model.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return {
            "decoder": "beam", "width": self.width, "language_model": f"{self.language_model.name} sha256 {digest}",
            "words": self.num_words, "weight": self.weight, "word_score": self.word_score,
        }  # fmt: skip

    def check(self) -> None:
        """Looks at the file before anything is recognised.

        Raises:
            UserError: it can't be read, or is no ARPA file; the decoder is not installed.
        """
        if find_spec("flashlight") is None:
            python = f"{sys.version_info.major}.{sys.version_info.minor}"
            raise UserError(
                f"beam search needs the package flashlight-text, which has no wheel for Python {python}. Install with "
                "`make PYTHON=python3.12 install` in a fresh clone; greedy search does without it."
            )
        try:
            first = next((line for line in self._lines() if line), "")
        except (OSError, UnicodeDecodeError, EOFError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"the language model {self.language_model} cannot be read ({reason}).") from None
        if first != "\\data\\" or not any(True for _ in self._words()):
            raise UserError(
                f"the language model {self.language_model} is no ARPA file: it has no words after \\data\\ and "
                "\\1-grams:. Give one such as 3-gram.arpa.gz from openslr.org/11 (KenLM's binary form names no words)."
            )

    def load(self, subwords: Subwords) -> None:
        """Reads the language model and spells its words; those of other letters than the transcripts' are left out.

        Raises:
            UserError: it is truncated, of a form that KenLM does not read, or has no word that could be said.
        """
        from torchaudio.models.decoder import ctc_decoder

        pieces = subwords.pieces
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".lexicon") as lexicon, _unwatched():
            spelt = ((word, subwords.encode(word)) for word in self._words())
            known = [(word, [pieces[each] for each in ids]) for word, ids in spelt if BLANK not in ids]
            if not known:
                raise UserError(
                    f"no word of the language model {self.language_model} has the letters of the transcripts alone, "
                    "which are in upper case. Give a model of upper-case words."
                )
            self.num_words = len(known)
            lexicon.writelines(
                f"{word} {' '.join(spelling)}\n" for word, once in known for spelling in _spellings(once)
            )
            lexicon.flush()
            try:
                self.search = ctc_decoder(
                    lexicon.name, pieces, lm=str(self.language_model), beam_size=self.width, lm_weight=self.weight,
                    word_score=self.word_score, blank_token=pieces[BLANK], sil_token=pieces[BLANK],
                )  # fmt: skip
            except RuntimeError as error:
                reason = str(error).splitlines()[-1].strip()
                raise UserError(f"KenLM cannot use the language model {self.language_model} ({reason})") from None

    def decoded(self, log_probabilities: Tensor, lengths: Sequence[int]) -> list[str]:
        """The best hypothesis of each recording, once the language model is loaded.

        Args:
            log_probabilities: float32 [N, T, subwords].
            lengths: frames of each.
        """
        found = self.search(log_probabilities.cpu().contiguous(), torch.tensor(lengths))
        return [" ".join(hypotheses[0].words) if hypotheses else "" for hypotheses in found]

    def _words(self) -> Iterator[str]:
        """The words of the unigrams that a transcript may have."""
        inside = False
        for line in self._lines():
            if line.startswith("\\"):
                if inside:
                    return
                inside = line == "\\1-grams:"
            elif inside and line:
                word = line.split()[1:2]
                if word and not word[0].startswith("<"):
                    yield word[0]

    def _lines(self) -> Iterator[str]:
        with self._opened() as file:
            for line in file:
                yield line.strip()

    def _opened(self) -> IO[str]:
        with self.language_model.open("rb") as file:
            packed = file.read(2) == GZIP
        return (gzip.open if packed else open)(self.language_model, "rt", encoding="utf-8")


def _spellings(pieces: list[str]) -> tuple[list[str], list[str]]:
    """A word's pieces, and the same with the last one doubled, as CTC may take several frames for it.

    The decoder is back at the root of its trie as soon as a word ends, where only blanks repeat
    (flashlight/text:flashlight/lib/text/decoder/LexiconDecoder.cpp, "Try same lexicon node"). Before the second piece,
    which needs no blank in front as the word ends with it, the first one may repeat. The price: a word of one piece
    that is said twice running is heard once, wherever the language model finds that likelier.
    """
    return pieces, [*pieces, pieces[-1]]


@contextmanager
def _unwatched() -> Iterator[None]:
    """Silences KenLM's bar, which it writes past Python, where nobody watches."""
    if sys.stderr.isatty():
        yield
        return
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
