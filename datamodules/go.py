"""Go on a small board: games that an agent plays against itself to learn, and games against GNU Go to be judged by."""

from typing import Any

from torch.utils.data import DataLoader

from benchmarks.schema import Signature
from datamodules.environments.gnugo import known
from datamodules.environments.matches import Matches, matches_of
from datamodules.environments.self_play import SelfPlay
from datamodules.experience import ExperienceData, as_they_are
from results.scoring.contest import RULES, Contest

VALIDATION, VALIDATION_LEVEL = 500, 1  # the first opening of validation games, and how hard GNU Go thinks in them


class GoData(ExperienceData):
    """One board, one opponent.

    Args:
        contest: what is played, such as 7x7-komi9-level10.
        games: that the agent plays against itself side by side.
        share: games to a training step.
        steps: training steps in an epoch.
        matches: games of a test, each opening with both colours.
        validation_matches: of a validation.
        together: games against GNU Go side by side, each with a process of its own.
        seed: of the run.
    """

    unit = "games"

    def __init__(
        self, contest: str, games: int, share: int, steps: int, matches: int, validation_matches: int, together: int,
        seed: int,
    ) -> None:  # fmt: skip
        super().__init__(steps, seed)
        self.tests: list[str] = [contest]
        self.contest = Contest.named(contest)
        self.games, self.global_batch_size = games, share
        self.matches, self.validation_matches, self.together = matches, validation_matches, together
        self.sizes = (self.contest.size,)

    @property
    def fingerprint(self) -> dict[str, Any]:
        """The board, and who is played against."""
        return {"contest": self.tests[0], "opponent": known()}

    @property
    def signature(self) -> Signature:
        """The protocol, with the games that the tested agent learnt from."""
        return {
            "board": self.contest.size, "komi": self.contest.komi, "rules": RULES,
            "opponent": f"{known()} level {self.contest.level}", "games": int(self.agent.games),
            "policy": "deterministic",
        }  # fmt: skip

    def begin(self) -> SelfPlay:
        """The games to learn from."""
        return SelfPlay(self.games, self.contest.size, self.contest.komi, self.global_batch_size, self.seed)

    def verify(self, training: bool) -> None:
        """Looks for GNU Go too.

        Raises:
            UserError: it is not installed.
        """
        known()
        super().verify(training)

    def val_dataloader(self) -> DataLoader[Matches]:
        """A few games against the weakest GNU Go, to see an agent learn."""
        weak = Contest(self.contest.size, self.contest.komi, VALIDATION_LEVEL)
        return as_they_are(matches_of(weak, self.validation_matches, self.together, VALIDATION))

    def test_dataloader(self) -> DataLoader[Matches]:
        """The games that the score is made of."""
        return as_they_are(matches_of(self.contest, self.matches, self.together))
