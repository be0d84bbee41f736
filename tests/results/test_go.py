"""Folders of games: scores worked by hand, what is refused, and OpenSpiel's verdict on the same files."""

import numpy as np
import pytest

from benchmarks.errors import UserError
from benchmarks.measure import HeldOut, measure
from benchmarks.strict import load_claim
from datamodules.baselines.go import at_random
from results.foreign import go as foreign
from results.scoring import go
from results.scoring.contest import Contest, ids
from results.scoring.go_game import Game

SPLIT = "3x3-komi9-level1"
CONTEST = Contest.named(SPLIT)
ENGINE = "GNU Go 3.8"


@pytest.fixture
def truth():
    return go.truth(SPLIT, 4)


def two_passes(opening):
    """Nobody owns a point but stones: 1 - 1 - 9, so White wins by nine."""
    return {"moves": [*CONTEST.openings(opening + 1)[opening], 9, 9], "engine": ENGINE}


def finished(contest, opening):
    """A game between two that play at random."""
    game = Game(contest.size, contest.komi)
    for move in contest.openings(opening + 1)[opening]:
        game.play(move)
    while not game.over:
        game.play(at_random(game))
    return {"moves": game.moves, "engine": ENGINE}


@pytest.fixture
def folder(tmp_path, truth):
    go.write(tmp_path, [two_passes(0), two_passes(0), two_passes(1), two_passes(1)], truth)
    return tmp_path


def test_contests_and_ids():
    assert Contest.named("7x7-komi9-level10") == Contest(7, 9.0, 10)
    assert Contest.named("19x19-komi7.5-level1") == Contest(19, 7.5, 1)
    for wrong in ("7x9-komi9-level10", "1x1-komi9-level10", "7x7-komi9-level11", "7x7", "20x20-komi1-level1", ""):
        with pytest.raises(UserError, match="names no contest; a name is such as 7x7-komi9-level10"):
            Contest.named(wrong)
    assert ids(4) == ("000-black", "000-white", "001-black", "001-white")
    assert ids(2, 500) == ("500-black", "500-white")
    with pytest.raises(UserError, match="5 games are asked for"):
        ids(5)


def test_openings_are_different_and_the_first_stay_the_same():
    all_of_them = CONTEST.openings(72)
    assert len(set(all_of_them)) == 72
    assert all(black != white for black, white in all_of_them)
    assert CONTEST.openings(10) == all_of_them[:10] == Contest(3, 0.0, 10).openings(10)
    assert Contest(7, 9.0, 10).openings(3) == ((39, 15), (48, 11), (0, 36)), "for ever"
    with pytest.raises(UserError, match="has 72 openings, 73 are asked for"):
        CONTEST.openings(73)


def test_scores_by_hand(tmp_path, truth):
    go.write(tmp_path, [two_passes(0), two_passes(0), two_passes(1), finished(CONTEST, 1)], truth)
    read = go.read(tmp_path, truth)
    last = -read.margins[1, 1]  # Black's
    won = (1 - np.sign(last)) / 2  # for White, the agent
    assert read.margins[:, 0].tolist() == [-9, -9], "as Black"
    assert read.margins[0, 1] == 9
    assert go.score(read, truth) == {"score": 25 * (1 + won), "score/black": 0.0, "score/white": 50 * (1 + won)}
    assert (read.scored, read.unique, read.opponent) == (4, 4, "GNU Go 3.8 level 1")
    assert go.protocol(read) == {"opponent": "GNU Go 3.8 level 1"}


def test_a_draw_is_a_half_and_openings_stay_together(tmp_path):
    """Black's 9 points on 3x3 at komi 9 are a draw."""
    truth = go.truth(SPLIT, 2)
    read = go.Predictions((), np.array([[0.0, 3.0]]), "", 2, 2)
    assert go.score(read, truth) == {"score": 75.0, "score/black": 50.0, "score/white": 100.0}
    # Each opening is won with one colour and lost with the other: whatever is drawn, the score is 50 %.
    read = go.Predictions((), np.array([[1.0, -1.0], [-2.0, 2.0], [5.0, -1.0], [1.0, -9.0]]), "", 8, 8)
    errors = go.standard_errors(read, truth, go.score(read, truth))
    assert go.score(read, truth) == {"score": 50.0, "score/black": 75.0, "score/white": 25.0}
    assert errors["score"] == 0
    # One in four, drawn four times: sqrt(3/16 / 4) = 21.65 %.
    assert errors["score/black"] == pytest.approx(21.65, rel=0.05)


def test_what_is_written(folder, truth):
    files = go.files(folder)
    assert [file.name for file in files] == [f"{name}.sgf" for name in truth.ids]
    assert files == go.files(folder / "games")
    text = files[1].read_text()
    assert "PB[GNU Go 3.8 level 1]\nPW[agent]\nRE[W+9]" in text
    assert "GN[000-white]" in text
    (folder / "games" / ".DS_Store").write_text("x")
    (folder / "games" / "._000-black.sgf").write_text("x")
    (folder / "games" / "notes.txt").write_text("x")
    assert go.read(folder / "games", truth).scored == 4
    go.write(folder, [two_passes(0)] * 2, go.truth(SPLIT, 2))
    assert len(go.files(folder)) == 2, "games of another test are gone"


def test_only_whole_legal_games_are_written(tmp_path, truth):
    opening = list(CONTEST.openings(1)[0])
    for moves, message in (
        (opening, "it ends after 2 moves"),
        ([*opening, opening[0]], "is illegal"),
        ([*opening, 9, 9, 9], "move 5 comes after the end"),
    ):
        with pytest.raises(ValueError, match=message):
            go.write(tmp_path, [{"moves": moves, "engine": ENGINE}] * 4, truth)
    with pytest.raises(ValueError, match="zip"):
        go.write(tmp_path, [two_passes(0)] * 3, truth)
    assert not (tmp_path / "games").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("SZ[3]", "SZ[4]", "size 4 and komi 9.0, expected 3 and 9"),
        ("KM[9]", "KM[8.5]", "size 3 and komi 8.5, expected 3 and 9"),
        ("KM[9]", "", "komi None, expected"),
        (";B[];W[]", ";B[]", "it ends after 3 moves, without two passes"),
        (";B[];W[]", ";B[];W[];B[]", "move 5 comes after the end"),
        ("RE[W+9]", "RE[B+9]", "RE is 'B+9', but the moves make it W+9"),
        ("RE[W+9]", "RE[W+R]", "RE is 'W+R'"),
        ("RE[W+9]", "RE[W+8]", "RE is 'W+8'"),
        ("GNU Go 3.8 level 1", "Pachi 12 level 1", "PB is 'Pachi 12 level 1', expected an opponent such as"),
        ("GNU Go 3.8 level 1", "GNU Go 3.8", "PB is 'GNU Go 3.8', expected an opponent"),
        ("GNU Go 3.8 level 1", "GNU Go 3.8 level 10", "PB is 'GNU Go 3.8 level 10', expected level 1"),
        ("GNU Go 3.8 level 1", "GNU Go 3.6 level 1", "against several opponents"),
        (";B[", ";B[zz];B[", "is no point"),
        ("(;FF", "(FF", "not SGF"),
    ],
)
def test_other_games_are_refused(folder, truth, old, new, message):
    file = folder / "games" / "001-white.sgf"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(UserError, match=r"001-white\.sgf|several opponents") as caught:
        go.read(folder, truth)
    assert message in str(caught.value)


def test_illegal_moves_and_other_openings_are_refused(folder, truth):
    files = go.files(folder)
    files[3].write_text(files[1].read_text())
    with pytest.raises(UserError, match=r"001-white\.sgf: it does not begin with opening 1, as its name says"):
        go.read(folder, truth)
    first = files[0].read_text()
    point = first.partition(";B[")[2][:2]
    files[0].write_text(first.replace(";B[];W[]", f";B[{point}];W[]"))
    with pytest.raises(UserError, match=r"000-black\.sgf: move 3, black .., is illegal"):
        go.read(folder, truth)


def test_missing_and_other_files_are_refused(folder, truth, tmp_path):
    games = folder / "games"
    (games / "002-black.sgf").write_text("x")
    with pytest.raises(UserError, match=r"1 files belong to no game of this test, first 002-black\.sgf; 4 are needed"):
        go.read(folder, truth)
    (games / "002-black.sgf").rename(games / "other.txt")
    (games / "001-black.sgf").unlink()
    with pytest.raises(UserError, match=r"1 files are missing, first 001-black\.sgf"):
        go.read(games, truth)
    for path in (games / "000-black.sgf", tmp_path / "gone"):
        with pytest.raises(UserError, match="name the folder of the games"):
            go.files(path)
    with pytest.raises(UserError, match="has no game"):
        go.files(make(tmp_path))


def make(tmp_path):
    (tmp_path / "empty").mkdir()
    return tmp_path / "empty"


def test_openspiel_finds_the_same(tmp_path):
    pytest.importorskip("pyspiel")
    for split in ("3x3-komi2-level1", "5x5-komi0.5-level10", "7x7-komi9-level10"):
        truth = go.truth(split, 12)
        place = tmp_path / split
        place.mkdir()
        played = [finished(truth.contest, int(name[:3])) for name in truth.ids]
        go.write(place, played, truth)
        ours = go.score(go.read(place, truth), truth)
        assert foreign.score(place, None, split) == foreign.score(place / "games", None, split) == ours
    with pytest.raises(FileNotFoundError):
        foreign.score(make(tmp_path), None, split)


def test_openspiel_takes_either_form_of_a_pass(folder, truth):
    pytest.importorskip("pyspiel")
    for file in go.files(folder):
        file.write_text(file.read_text().replace(";B[];W[]", ";B[tt];W[tt]"))
    assert foreign.score(folder, None, SPLIT) == go.score(go.read(folder, truth), truth)


def test_openspiel_contradicts_what_is_no_game(folder):
    pytest.importorskip("pyspiel")
    file = go.files(folder)[0]
    file.write_text(file.read_text().replace(";B[];W[]", ";B[]"))
    with pytest.raises(UserError, match="by OpenSpiel the game is not over"):
        foreign.score(folder, None, SPLIT)
    file.write_text(file.read_text().replace(";B[]", ";B[];W[];B[]"))
    with pytest.raises(UserError, match="OpenSpiel does not allow"):
        foreign.score(folder, None, SPLIT)


def test_the_games_tell_of_the_opponent(folder, truth):
    """Whatever was said of the protocol: another version is another opponent."""
    for file in go.files(folder):
        file.write_text(file.read_text().replace("GNU Go 3.8", "GNU Go 3.6"))
    held = HeldOut(load_claim("go"), None, "test", SPLIT, "", truth)
    said = {"opponent": "GNU Go 3.8 level 1", "komi": 9.0}
    scored = measure(held, folder, said, go.files(folder))
    assert [*scored.metrics] == ["test/score", "test/score/black", "test/score/white"]
    found = scored.metrics["test/score"]
    assert (found.value, found.unit, found.n) == (50.0, "%", 4)
    assert found.signature == {"opponent": "GNU Go 3.6 level 1", "komi": 9.0}
    assert said["opponent"] == "GNU Go 3.8 level 1"
    assert len(scored.predictions) == 4


@pytest.mark.parametrize(
    "told",
    [
        lambda text: text.replace(";B[", ";C[better was ;B[cc\\] here]B[", 1),
        lambda text: text.replace("SZ[", "SiZe[").replace("KM[", "KoMi["),
        lambda text: text.rstrip()[:-1] + "(;C[end])(;B[aa];W[bb]))\n",
    ],
    ids=["a move in a comment", "older names", "a variation"],
)
def test_openspiel_is_told_of_games_as_others_write_them(folder, told):
    pytest.importorskip("pyspiel")
    file, before = go.files(folder)[0], foreign.score(folder, None, SPLIT)
    text = file.read_text()
    file.write_text(told(text))
    assert file.read_text() != text
    assert foreign.score(folder, None, SPLIT) == before
