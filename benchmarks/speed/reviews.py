"""Training on reviews in batches of like length beside batches at random, each padded to its longest review.

    .venv/bin/python -m benchmarks.speed.reviews [--steps 8] [--rounds 5] [--threads 1] [--width 128] [--layers 2]

Lengths are made up after IMDB's statistics (median 174 words, mean 234, at most 2,470), with 1.3 subwords a word, cut
as the config has it. Both train the same network to tell classes apart, on steps of as many reviews on the average, by
turns; tokens a second are those of reviews, without padding, and the median of the rounds counts. The last lines are
of the whole set: how much of the training batches of both stages is padding.
"""

import argparse
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.arrays import Floats, Integers
from datamodules.bucketing import epoch_batches
from datamodules.imdb import ImdbData
from datamodules.subwords import MASK, padded
from datamodules.synthetic.imdb import made_up_lengths
from lightning_modules.networks.encoder import Encoder, pooled

REVIEWS, SUBWORDS, LONGEST = 75_000, 16_384, 512
STEP_TOKENS = 8192
PRETRAINING_TOKENS, RANKS = 65_536, 8


def at_random(lengths: Floats, steps: int) -> list[Integers]:
    """An epoch cut into equally many reviews a step."""
    return np.array_split(np.random.default_rng(1).permutation(len(lengths)), steps)


class Trained:
    """A classifier of reviews that takes training steps."""

    def __init__(self, width: int, layers: int) -> None:
        torch.manual_seed(0)
        self.network = Encoder(SUBWORDS, width, width // 32, 4 * width, layers, 0.1)
        self.head = nn.Linear(width, 2)
        parameters = [*self.network.parameters(), *self.head.parameters()]
        self.optimizer = torch.optim.AdamW(parameters, lr=1e-4, fused=True)

    def step(self, texts: list[list[int]]) -> None:
        """Makes one training step, with labels that say nothing."""
        counts = [len(text) for text in texts]
        logits = self.head(pooled(self.network(padded(texts), counts), counts))
        functional.cross_entropy(logits, torch.arange(len(texts)) % 2).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()


def speed(system: Trained, lengths: Floats, batches: list[Integers]) -> float:
    """Tokens a second, without padding."""
    rng, started = np.random.default_rng(2), time.perf_counter()
    for batch in batches:
        system.step([rng.integers(MASK + 1, SUBWORDS, int(length)).tolist() for length in lengths[batch]])
    return float(sum(lengths[batch].sum() for batch in batches)) / (time.perf_counter() - started)


def padding(lengths: Floats, batches: list[Integers], ranks: int) -> float:
    """The share of padding in what all ranks compute."""
    shares = [lengths[batch[rank::ranks]] for batch in batches for rank in range(ranks)]
    return float(1 - lengths.sum() / sum(len(share) * share.max() for share in shares))


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description="tokens a second, and how much is padding")
    defaults = {"steps": 8, "rounds": 5, "threads": 1, "width": 128, "layers": 2}
    for name, value in defaults.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    lengths = np.minimum(made_up_lengths(REVIEWS), LONGEST)
    print(f"{REVIEWS:,} reviews of {lengths.mean():.0f} tokens on the average, median {np.median(lengths):.0f}")
    ours = epoch_batches(lengths, STEP_TOKENS, 0, 0, ImdbData.jitter)
    ways = {"like length": ours, "at random": at_random(lengths, len(ours))}
    system, speeds = Trained(options.width, options.layers), np.empty((options.rounds, 2))
    for turn in range(options.rounds):
        part = slice(turn * options.steps, (turn + 1) * options.steps)
        for column, batches in enumerate(ways.values()):
            speeds[turn, column] = speed(system, lengths, batches[part])
    for name, value in zip(ways, np.median(speeds, axis=0), strict=True):
        print(f"{name:12}{value:10.0f} tokens/s")
    print(f"ratio{np.median(speeds[:, 0] / speeds[:, 1]):17.2f}")
    for tokens in (STEP_TOKENS, PRETRAINING_TOKENS):
        for ranks in (1, RANKS):
            cut = epoch_batches(lengths, tokens, 0, 0, ImdbData.jitter)
            plain = padding(lengths, at_random(lengths, len(cut)), ranks)
            print(
                f"steps of {tokens:6,} tokens, {ranks} rank(s): padding {padding(lengths, cut, ranks):.1%}, "
                f"at random {plain:.1%}"
            )


if __name__ == "__main__":
    main()
