"""What caches in beam search save beside the plain way, and what batches of pairs of like length cost in padding.

    .venv/bin/python -m benchmarks.speed.translation [--sentences 32] [--tokens 28] [--rounds 3] [--threads 1]

The plain way calls the network on the source and all tokens so far at every step. Both search the same batches, cut as
testing cuts them, with the same beam; the networks are random and never end, so that both take as many steps, and must
find the same translations. They take turns, and the median of the rounds counts.

Batches are those of training, 50,000 tokens over 8 ranks, of pairs as long as those of tests/datamodules/
test_bucketing.py. `waiting` is how much more than their mean the slowest rank computes, padding included.
"""

import argparse
import time
from collections.abc import Callable
from statistics import NormalDist
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.arrays import Floats, Integers
from datamodules.bucketing import epoch_batches, evaluation_batches, num_batches
from datamodules.subwords import BEGIN, END, padded
from datamodules.synthetic.wmt import made_up_pairs
from lightning_modules.beam_search import BeamSearch, search
from lightning_modules.networks.gnmt import Gnmt
from lightning_modules.networks.transformer import Transformer

SUBWORDS, WIDTH = 32_000, 256
CHARACTERS, EVALUATION_BATCH = 4.5, 20_000  # characters of a subword, and of a batch as both configurations have it
STEP_TOKENS, RANKS = 50_000, 8

Network = Transformer | Gnmt
Batch = tuple[Tensor, list[int]]  # source and how many tokens each sentence has
Decode = Callable[[Network, Batch, BeamSearch, int], list[list[int]]]


def ours(network: Network, batch: Batch, settings: BeamSearch, tokens: int) -> list[list[int]]:
    """The hypotheses by beam search as testing makes them."""
    source, counts = batch
    memory: Any = network.encode(source, counts)
    padding = torch.arange(source.shape[1]) >= torch.tensor(counts)[:, None]

    def step(*given: Any) -> tuple[Tensor, Tensor | None, Any]:
        log_probabilities, attention, state = network.step(*given)
        return _endless(log_probabilities), attention, state

    return search(step, network.begin(memory), memory, BEGIN, END, [tokens] * len(counts), settings, padding)


def plain(network: Network, batch: Batch, settings: BeamSearch, tokens: int) -> list[list[int]]:
    """Hypotheses are equally long, so that the penalties tell none apart and the likeliest wins."""
    beam, (source, counts) = settings.beam, batch
    sources = source.repeat_interleave(beam, dim=0)
    all_counts = [count for count in counts for _ in range(beam)]
    targets = torch.full((len(sources), 1), BEGIN)
    totals = torch.tensor([0.0] + [-torch.inf] * (beam - 1)).repeat(len(counts), 1)
    first = beam * torch.arange(len(counts))[:, None]
    for _ in range(tokens):
        log_probabilities = _endless(network(sources, all_counts, targets)[:, -1].log_softmax(dim=1))
        scores = totals[:, :, None] + log_probabilities.view(len(counts), beam, -1)
        totals, best = scores.flatten(1).topk(beam, dim=1)
        rows = (first + best // SUBWORDS).flatten()
        targets = torch.cat([targets[rows], (best % SUBWORDS).view(-1, 1)], dim=1)
    return targets[::beam, 1:].tolist()


def _endless(log_probabilities: Tensor) -> Tensor:
    return log_probabilities.index_fill(1, torch.tensor([END]), -torch.inf)


def systems() -> dict[str, tuple[Network, BeamSearch]]:
    """Random, but some tokens are much likelier than others, as after training, so that no two hypotheses tie."""
    torch.manual_seed(0)
    transformer = Transformer(SUBWORDS, WIDTH, 4, 4 * WIDTH, 3, 0.0).eval()
    transformer.decoder[-1].feedforward_sum.norm.weight.data.fill_(-4)  # turned round, or each token repeats itself
    gnmt = Gnmt(SUBWORDS, WIDTH, 4, 0.0).eval()
    gnmt.classifier.weight.data.mul_(8)
    return {"Transformer": (transformer, BeamSearch(4, 0.6)), "GNMT": (gnmt, BeamSearch(5, 0.6, 0.1))}


def sources(count: int) -> list[Batch]:
    """Sentences of random subwords, about 27 on the average by a log-normal distribution, as testing cuts them."""
    rng, quantiles = np.random.default_rng(0), [NormalDist(3.15, 0.55).inv_cdf((n + 0.5) / count) for n in range(count)]
    lengths = rng.permutation(np.exp(quantiles)).round().astype(int)
    texts = [[*rng.integers(END + 1, SUBWORDS, length - 1).tolist(), END] for length in lengths]
    cut = evaluation_batches(lengths * CHARACTERS, EVALUATION_BATCH)
    print(f"{count} sentences of {lengths.mean():.1f} subwords on the average; batches: {len(cut)}")
    return [(padded([texts[row] for row in rows]), [len(texts[row]) for row in rows]) for rows in cut]


def timed(decode: Decode, batches: list[Batch], *given: Any) -> tuple[list[list[int]], float]:
    """Translations of all batches, and sentences a second."""
    started = time.perf_counter()
    found = [translation for batch in batches for translation in decode(given[0], batch, *given[1:])]
    return found, len(found) / (time.perf_counter() - started)


def orders(lengths: Floats) -> dict[str, list[Integers]]:
    """Ways to cut an epoch into steps, the second into equally many tokens, the third into equally many pairs."""
    count, total = num_batches(lengths, STEP_TOKENS), lengths.sum(axis=1)
    by_sum = np.argsort(-total, kind="stable")
    cuts = np.searchsorted(total[by_sum].cumsum(), total.sum() * np.arange(1, count) / count)
    at_random = np.array_split(np.random.default_rng(0).permutation(len(lengths)), count)
    return {"ours": epoch_batches(lengths, STEP_TOKENS, 0, 0), "by sum": np.split(by_sum, cuts), "random": at_random}


def work(lengths: Floats, batches: list[Integers]) -> Floats:
    """Tokens that each rank computes at each step, padding included: [steps, RANKS]."""
    shares = [[lengths[batch[rank::RANKS]] for rank in range(RANKS)] for batch in batches]
    return np.array([[len(share) * share.max(axis=0).sum() for share in step] for step in shares])


def main() -> None:
    """Prints both tables."""
    parser = argparse.ArgumentParser(description="sentences a second, and what batches cost")
    for name, value in {"sentences": 32, "tokens": 28, "rounds": 3, "threads": 1, "pairs": 4_000_000}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    batches, speeds = sources(options.sentences), np.empty((options.rounds, 2))
    print(f"{'system':12} beam {'ours, 1/s':>11} {'plain, 1/s':>11}   ratio", flush=True)
    for name, (network, settings) in systems().items():
        for turn in range(options.rounds):
            with torch.inference_mode():
                mine, speeds[turn, 0] = timed(ours, batches, network, settings, options.tokens)
                theirs, speeds[turn, 1] = timed(plain, batches, network, settings, options.tokens)
            if mine != theirs:
                raise SystemExit(f"{name}: the two ways find different translations")
        (fast, slow), ratio = np.median(speeds, axis=0), np.median(speeds[:, 0] / speeds[:, 1])
        print(f"{name:12}{settings.beam:5}{fast:12.2f}{slow:12.2f}{ratio:8.1f}", flush=True)
    lengths = made_up_pairs(options.pairs)
    print(f"\n{options.pairs:,} pairs   padding   waiting")
    for name, cut in orders(lengths).items():
        computed = work(lengths, cut)
        waiting = computed.max(axis=1).sum() / computed.mean(axis=1).sum() - 1
        print(f"{name:15}{1 - lengths.sum() / computed.sum():9.1%}{waiting:10.1%}", flush=True)


if __name__ == "__main__":
    main()
