"""The datamodule of Go: what it says of itself, and the games it gives."""

import pytest

from benchmarks.errors import UserError
from datamodules.environments.gnugo import find
from datamodules.go import VALIDATION, GoData


def installed():
    try:
        return bool(find())
    except UserError:
        return False


pytestmark = pytest.mark.skipif(not installed(), reason="GNU Go is not installed")

ARGUMENTS = {
    "contest": "5x5-komi24-level1", "games": 4, "share": 2, "steps": 3, "matches": 6, "validation_matches": 4,
    "together": 4, "seed": 0,
}  # fmt: skip


def test_games_of_tests_and_validations_differ():
    data = GoData(**ARGUMENTS)
    data.setup("fit")
    tests = [name for batch in data.test_dataloader() for name in batch.ids]
    assert tests == ["000-black", "000-white", "001-black", "001-white", "002-black", "002-white"]
    assert [batch.first for batch in data.test_dataloader()] == [0, 4]
    (validation,) = data.val_dataloader()
    assert validation.ids == [f"{VALIDATION + k}-{colour}" for k in range(2) for colour in ("black", "white")]
    assert validation.contest.level == 1


def test_openings_of_self_play_follow_from_seed_and_number():
    first, again, other = (GoData(**ARGUMENTS | {"seed": seed}) for seed in (0, 0, 1))
    for data in (first, again, other):
        data.setup("fit")
    boards = [data.experience.positions.boards for data in (first, again, other)]
    assert (boards[0] == boards[1]).all()
    assert (boards[0] != boards[2]).any()


def test_testing_needs_no_running_games():
    data = GoData(**ARGUMENTS)
    data.setup("test")
    assert data.experience is None
    data.load_state_dict({"experience": {}})
    assert data.state_dict() == {}


def test_no_such_contest():
    with pytest.raises(UserError, match="names no contest"):
        GoData(**ARGUMENTS | {"contest": "7x7"})
