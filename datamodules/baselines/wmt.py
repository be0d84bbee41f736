"""What translates without a network: the source itself, and each of its words by the likeliest one of IBM model 1.

Brown et al., "The Mathematics of Statistical Machine Translation" (Computational Linguistics 19, 1993), section 4.1,
without the empty word, since every word is to be translated by one.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from benchmarks.arrays import Integers
from benchmarks.jit import jit
from datamodules.layouts.wmt import SOURCE_OF, open_training, truth

HEARD = 100_000  # pairs from which words are learnt
LONGEST = 80  # words; a pair has as many links as the product of its lengths
ROUNDS = 5

WORD = re.compile(r"\w+(?:[-'\u2019.,]\w+)*|[^\w\s]")
# Quotation marks stay apart: the one that opens in English closes in German.
CLOSING = re.compile(r" (?=[.,;:!?%)\]}…])")
OPENING = re.compile(r"(?<=[(\[{]) ")


class Side(NamedTuple):
    """Sentences of one language: token i is `words[tokens[i]]`; sentence k has those from `starts[k]` on."""

    words: list[str]
    tokens: NDArray[np.int32]
    starts: Integers

    def counts(self) -> csr_array:
        """How often each word is in each sentence, [sentences, words]."""
        shape = (len(self.starts) - 1, len(self.words))
        return csr_array((np.ones(len(self.tokens)), self.tokens, self.starts), shape)


def baselines(root: str, split: str) -> dict[str, list[str]]:
    """Name -> a translation of each sentence of `split`, such as `newstest2014.en-de`, in its order.

    Raises:
        UserError: the test set or the training text cannot be read.
    """
    sources = truth(root, split).sources
    likeliest = _dictionary(root, split.partition(".")[2])
    return {"copy": [*sources], "word_by_word": [_translated(text, likeliest) for text in sources]}


def _translated(text: str, likeliest: dict[str, str]) -> str:
    words = " ".join(likeliest.get(word, word) for word in WORD.findall(text))
    return OPENING.sub("", CLOSING.sub("", words))


@cache  # the test sets of a direction share one
def _dictionary(root: str, direction: str) -> dict[str, str]:
    """Source word -> its likeliest translation, by at most HEARD pairs of the training text, evenly spaced."""
    text = open_training(root)
    picked = np.linspace(0, len(text), min(HEARD, len(text)), endpoint=False).astype(int)
    pairs = [[WORD.findall(sentence) for sentence in text.pair(index)] for index in picked.tolist()]
    pairs = [pair for pair in pairs if all(0 < len(words) <= LONGEST for words in pair)]
    german, english = (_side([pair[language] for pair in pairs]) for language in (0, 1))
    return learn(german, english) if SOURCE_OF[direction] == "de" else learn(english, german)


def _side(sentences: Sequence[list[str]]) -> Side:
    ids: defaultdict[str, int] = defaultdict()
    ids.default_factory = ids.__len__  # the next number for a word not seen before
    tokens = np.fromiter((ids[word] for words in sentences for word in words), np.int32)
    return Side([*ids], tokens, np.cumsum([0, *map(len, sentences)]))


def learn(source: Side, target: Side) -> dict[str, str]:
    """Source word -> the likeliest translation of it, as IBM model 1 learns it from pairs of sentences."""
    table = (source.counts().T @ target.counts()).tocsr()  # an entry for each two words that some pair has
    places = np.argsort(source.tokens, kind="stable")
    firsts = np.searchsorted(source.tokens[places], np.arange(len(source.words) + 1))
    where = np.searchsorted(source.starts, places, side="right") - 1  # the sentence of each token, word by word
    table.data[:] = 1
    for _ in range(ROUNDS):
        table.data = _reestimated(
            table.indptr, table.indices, table.data, firsts, where, target.starts, target.tokens, len(target.words)
        )  # fmt: skip
    bounds = zip(table.indptr, table.indptr[1:], strict=False)
    best = [table.indices[first + table.data[first:last].argmax()] for first, last in bounds]
    return {word: target.words[likeliest] for word, likeliest in zip(source.words, best, strict=True)}


@jit
def _reestimated(bounds, words, chances, firsts, where, starts, tokens, count):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """The chance of each target word given the source word, [entries], after one more round of EM.

    Args:
        bounds: source word s has the entries from `bounds[s]` to `bounds[s + 1]`.
        words: the target word of each entry.
        chances: before this round.
        firsts: source word s occurs in the sentences from `where[firsts[s]]` to `where[firsts[s + 1]]`.
        where: the sentence of each occurrence.
        starts: the first token of each target sentence, and behind the last one their number.
        tokens: the target word of each token.
        count: how many target words there are.
    """
    row, totals, shares = np.zeros(count), np.zeros(len(tokens)), np.zeros(count)
    for source in range(len(bounds) - 1):
        for entry in range(bounds[source], bounds[source + 1]):
            row[words[entry]] = chances[entry]
        for place in range(firsts[source], firsts[source + 1]):
            for token in range(starts[where[place]], starts[where[place] + 1]):
                totals[token] += row[tokens[token]]
    found = np.empty_like(chances)
    for source in range(len(bounds) - 1):
        for place in range(firsts[source], firsts[source + 1]):
            for token in range(starts[where[place]], starts[where[place] + 1]):
                shares[tokens[token]] += 1 / totals[token]
        total = 0.0
        for entry in range(bounds[source], bounds[source + 1]):
            found[entry] = chances[entry] * shares[words[entry]]
            shares[words[entry]] = 0
            total += found[entry]
        for entry in range(bounds[source], bounds[source + 1]):
            found[entry] /= total
    return found
