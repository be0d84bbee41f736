"""Training steps a second: our PPO and Stable-Baselines3's, each in its turn.

    python -m benchmarks.speed.training --peers <python>    # one with requirements-peers.lock

Each system is one training process a core, each on a core and a seed of its own; Stable-Baselines3 trains once more as
a single process on one core, the others idle. While one trains, the others wait. Acting, learning and all that
Lightning does between two steps are counted; start, compilation, validation and evaluation are not. Ratios are taken
within a round, and the median over rounds is shown.
"""

import argparse
import os
import sys
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from subprocess import PIPE, Popen
from typing import Any

from tqdm import tqdm

FOLDER = Path(__file__).parent

VARIANTS = {
    "Walker2d-v5": ("locomotion_walk", "walker2d-ppo"),
    "Hopper-v5": ("locomotion_walk", "hopper-ppo"),
    "HalfCheetah-v5": ("locomotion_run", "halfcheetah-ppo"),
    "Ant-v5": ("locomotion_run", "ant-ppo"),
}


class Team:
    """A training process on every core, all waiting until they are told to train."""

    def __init__(self, command: list[str], cores: list[int], stack: ExitStack) -> None:
        self.processes: list[Any] = []
        for core in cores:
            pinned = ["taskset", "--cpu-list", str(core), *command]
            self.processes.append(stack.enter_context(Popen(pinned, stdin=PIPE, stdout=PIPE, text=True)))
            stack.callback(self.processes[-1].kill)
        for process in self.processes:
            if process.stdout.readline() != "ready\n":
                raise SystemExit(f"{' '.join(command)} did not start")

    def train(self, seconds: float) -> float:
        """Environment steps a second of all of them together."""
        for process in self.processes:
            print(seconds, file=process.stdin, flush=True)
        return sum(float(process.stdout.readline()) for process in self.processes)


def compare(name: str, peers: str, cores: list[int], seconds: float, rounds: int) -> None:
    """Prints the line of one environment."""
    ours = [sys.executable, "-m", "benchmarks.speed.our_training", *VARIANTS[name]]
    theirs = [peers, str(FOLDER / "sb3_training.py"), name]
    with ExitStack() as stack:
        teams = [Team(*members, stack) for members in ((ours, cores), (theirs, cores), (theirs, cores[:1]))]
        for team in teams:
            team.train(1)  # not counted: compilation
        rates = [[team.train(seconds) for team in teams] for _ in tqdm(range(rounds), name, leave=False)]
    mine, many, one = (median(column) for column in zip(*rates, strict=True))
    ratios = [median(row[0] / row[peer] for row in rates) for peer in (1, 2)]
    print(f"| {name} | {mine:,.0f} | {many:,.0f} | {ratios[0]:.1f} | {one:,.0f} | {ratios[1]:.1f} |", flush=True)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed.training", description="Training steps/s of PPO")
    parser.add_argument("--seconds", type=float, default=15, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", type=int, default=2, help="and training processes of either system")
    parser.add_argument("--peers", metavar="PYTHON", required=True, help="an interpreter with requirements-peers.lock")
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[: arguments.cores]
    print(f"processes: {len(cores)}\n")
    print("| environment | ours, steps/s | Stable-Baselines3 | ratio | one process of it | ratio |")
    print("| --- | --- | --- | --- | --- | --- |")
    for name in VARIANTS:
        compare(name, arguments.peers, cores, arguments.seconds, arguments.rounds)


if __name__ == "__main__":
    main()
