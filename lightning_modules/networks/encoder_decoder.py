"""What training and search ask of a network that reads a source text and writes a target text token by token."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

# N: sentences, M: hypotheses, those of a sentence next to each other, S: source tokens, T: target tokens


class EncoderDecoder(nn.Module, ABC):
    """Source and target tokens to logits of the next target token.

    Memory and state are tensors in any nesting of tuples, whose first dimension is that of the sentences and of the
    hypotheses.
    """

    @abstractmethod
    def forward(self, source: Tensor, counts: Sequence[int], target: Tensor) -> Tensor:
        """Logits of the token after each.

        Args:
            source: int64 [N, S], anything beyond each sentence.
            counts: tokens of each source sentence.
            target: int64 [N, T], from the begin symbol on.

        Returns:
            [N, T, subwords].
        """

    @abstractmethod
    def encode(self, source: Tensor, counts: Sequence[int]) -> Any:
        """The memory of the sentences: all that does not depend on the target."""

    @abstractmethod
    def begin(self, memory: Any) -> Any:
        """The state of one hypothesis a sentence before its first token."""

    @abstractmethod
    def step(self, last: Tensor, state: Any, memory: Any) -> tuple[Tensor, Tensor | None, Any]:
        """One more token.

        Args:
            last: token of each hypothesis, int64 [M].
            state: of the hypotheses.
            memory: of the sentences; each is read by M / N hypotheses.

        Returns:
            Log probabilities of the next token [M, subwords] and attention to the source [M, S] or None, both float32;
            the next state.
        """

    @abstractmethod
    def attention(self, source: Tensor, counts: Sequence[int], target: Tensor) -> Tensor:
        """How much each target position attends to each source position, [N, T, S], for a picture."""
