"""Subwords by SentencePiece: what a recogniser writes instead of letters, and what a translator or a reader reads."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import sentencepiece
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from benchmarks.errors import UserError

BLANK = 0
"""The id of SentencePiece's unknown piece, which no transcript has; CTC's blank takes its place, as in AlgoPerf."""

RECOGNITION: dict[str, Any] = {
    "model_type": "unigram", "character_coverage": 1.0, "unk_id": BLANK, "bos_id": -1, "eos_id": -1,
}  # fmt: skip
"""How a recogniser's vocabulary is learnt."""

PAD, UNKNOWN, BEGIN, END = range(4)
"""The first ids of a translator's vocabulary. UNKNOWN never occurs: what has no piece is written as its bytes."""

TRANSLATION: dict[str, Any] = {
    "model_type": "bpe", "character_coverage": 0.9999, "byte_fallback": True,
    "pad_id": PAD, "unk_id": UNKNOWN, "bos_id": BEGIN, "eos_id": END,
}  # fmt: skip
"""How a translator's vocabulary is learnt."""

SPACE = "\u2581"
"""What SentencePiece writes for a space in its pieces, and takes for one at the end of a text."""

MASK = 4
"""What stands for a word that has to be guessed, in a vocabulary of reviews; its other first ids are a translator's."""

REVIEWS: dict[str, Any] = TRANSLATION | {"control_symbols": ["<mask>"], "max_sentence_length": 2**30}
"""How a vocabulary of reviews is learnt. SentencePiece would pass over texts of more than 4,192 bytes by itself."""


class Subwords:
    """A trained vocabulary.

    Args:
        model: the file that SentencePiece writes and reads, as bytes.
    """

    def __init__(self, model: bytes) -> None:
        self.model = model
        self.processor = sentencepiece.SentencePieceProcessor(model_proto=model)

    @staticmethod
    def for_recognition(texts: Iterable[str], size: int) -> Subwords:
        """The vocabulary of `size` pieces, the blank among them, that makes the texts most likely (unigram model).

        Raises:
            UserError: the texts are too few for so many pieces.
        """
        return _trained(texts, size, **RECOGNITION)

    @staticmethod
    def for_translation(texts: Iterable[str], size: int) -> Subwords:
        """The vocabulary of `size` pieces of both languages by byte-pair encoding (Sennrich et al. 2016, section 3.2).

        Characters that make up the rarest 0.01 % of the text are written as bytes, as are those that it lacks, so that
        every text can be written, and read again but for doubled spaces and SPACE.

        Raises:
            UserError: the texts are too few for so many pieces.
        """
        return _trained(texts, size, **TRANSLATION)

    @staticmethod
    def for_reviews(texts: Iterable[str], size: int) -> Subwords:
        """The vocabulary of `size` pieces of reviews, as `for_translation` has it, and with MASK, which no text gives.

        Raises:
            UserError: the texts are too few for so many pieces.
        """
        return _trained(texts, size, **REVIEWS)

    @property
    def pieces(self) -> list[str]:
        """Every piece by its id; a word's first one begins with the mark that SentencePiece sets for a space."""
        return [self.processor.id_to_piece(piece) for piece in range(len(self.processor))]

    def encode(self, text: str) -> list[int]:
        """The ids of a text."""
        return list(self.processor.encode(text))

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids."""
        return str(self.processor.decode(list(ids)))


def _trained(texts: Iterable[str], size: int, **options: Any) -> Subwords:
    """One thread, so that every rank and every resume finds the same vocabulary. Text is taken as it is written."""
    written = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(texts), model_writer=written, vocab_size=size, num_threads=1, minloglevel=2,
            normalization_rule_name="identity", **options,
        )  # fmt: skip
    except RuntimeError as error:
        reason = str(error).rpartition("] ")[2] or str(error)
        raise UserError(
            f"the training text gives no {size} subwords ({reason.strip()}). Give more data, or lower "
            "data.init_args.subwords in ARGS (which makes the run unofficial)."
        ) from None
    return Subwords(written.getvalue())


def padded(sentences: Sequence[Sequence[int]]) -> Tensor:
    """Ids of sentences as int64 [N, longest], PAD beyond each."""
    rows = [torch.as_tensor(np.asarray(sentence, np.int64)) for sentence in sentences]
    return pad_sequence(rows, batch_first=True, padding_value=PAD) if rows else torch.empty(0, 0, dtype=torch.int64)
