"""Go on a small board: games that an agent plays against itself to learn, and games against GNU Go to be judged by."""

from typing import Any

from torch.utils.data import DataLoader

from benchmarks.schema import Signature
from datamodules.environments.gnugo import known
from datamodules.environments.matches import Matches, matches_of
from datamodules.environments.self_play import SelfPlay
from datamodules.experience import TrainingSteps
from datamodules.interface import BenchmarkData
from results.scoring.contest import RULES, Contest

VALIDATION, VALIDATION_LEVEL = 500, 1  # the first opening of validation games, and how hard GNU Go thinks in them


class GoData(BenchmarkData):
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
    one_process = True

    def __init__(
        self, contest: str, games: int, share: int, steps: int, matches: int, validation_matches: int, together: int,
        seed: int,
    ) -> None:  # fmt: skip
        super().__init__()
        self.tests, self.contest = [contest], Contest.named(contest)
        self.games, self.global_batch_size, self.steps = games, share, steps
        self.matches, self.validation_matches, self.together, self.seed = matches, validation_matches, together, seed
        self.experience: SelfPlay | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """The board, and who is played against."""
        return {"contest": self.tests[0], "opponent": known()}

    @property
    def signature(self) -> Signature:
        """The protocol, with the games that the tested agent learnt from."""
        assert self.trainer is not None
        agent: Any = self.trainer.lightning_module
        return {
            "board": self.contest.size, "komi": self.contest.komi, "rules": RULES,
            "opponent": f"{known()} level {self.contest.level}", "games": int(agent.games), "policy": "deterministic",
        }  # fmt: skip

    @property
    def steps_per_epoch(self) -> int:
        """Training steps in an epoch."""
        return self.steps

    def setup(self, stage: str) -> None:
        """Looks for GNU Go, and sets the boards up to learn on.

        Raises:
            UserError: GNU Go is not installed.
        """
        known()
        if stage == "fit" and self.experience is None:
            size, komi = self.contest.size, self.contest.komi
            self.experience = SelfPlay(self.games, size, komi, self.global_batch_size, self.seed)

    def verify(self, training: bool) -> None:
        """Looks for GNU Go, which is all that can be missing."""
        self.setup("fit" if training else "test")

    def state_dict(self) -> dict[str, Any]:
        """The running games: a resumed run goes on in the middle of them."""
        return {} if self.experience is None else {"experience": self.experience.state()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on where a checkpoint was written; testing has no games that run."""
        if self.experience is not None and state_dict:
            self.experience.restore(state_dict["experience"])

    def train_dataloader(self) -> TrainingSteps:
        """The running games, once a training step."""
        return TrainingSteps(self)

    def val_dataloader(self) -> DataLoader[Matches]:
        """A few games against the weakest GNU Go, to see an agent learn."""
        weak = Contest(self.contest.size, self.contest.komi, VALIDATION_LEVEL)
        return _loader(matches_of(weak, self.validation_matches, self.together, VALIDATION))

    def test_dataloader(self) -> DataLoader[Matches]:
        """The games that the score is made of."""
        return _loader(matches_of(self.contest, self.matches, self.together))


def _loader(matches: list[Matches]) -> DataLoader[Matches]:
    return DataLoader(matches, batch_size=None)  # type: ignore[arg-type]  # a list is a data set
