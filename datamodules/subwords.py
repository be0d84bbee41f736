"""Subwords by SentencePiece's unigram model: what a recogniser writes instead of letters."""

from __future__ import annotations

import io
from collections.abc import Sequence

import sentencepiece

from benchmarks.errors import UserError

BLANK = 0
"""The id of SentencePiece's unknown piece, which no transcript has; CTC's blank takes its place, as in AlgoPerf."""


class Subwords:
    """A trained vocabulary.

    Args:
        model: the file that SentencePiece writes and reads, as bytes.
    """

    def __init__(self, model: bytes) -> None:
        self.model = model
        self.processor = sentencepiece.SentencePieceProcessor(model_proto=model)

    @staticmethod
    def trained(texts: Sequence[str], size: int) -> Subwords:
        """The vocabulary of `size` pieces, the blank among them, that makes the texts most likely.

        One thread, so that every rank and every resume finds the same one. Text is taken as it is written.

        Raises:
            UserError: the texts are too few for so many pieces.
        """
        written = io.BytesIO()
        try:
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=iter(texts), model_writer=written, vocab_size=size, model_type="unigram",
                character_coverage=1.0, normalization_rule_name="identity", unk_id=BLANK, bos_id=-1, eos_id=-1,
                num_threads=1, minloglevel=2,
            )  # fmt: skip
        except RuntimeError as error:
            reason = str(error).rpartition("] ")[2] or str(error)
            raise UserError(
                f"{len(texts):,} training transcripts give no {size} subwords ({reason.strip()}). Give more data, or "
                "lower data.init_args.subwords in ARGS (which makes the run unofficial)."
            ) from None
        return Subwords(written.getvalue())

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
