"""SGF: what is written is read again, and what other programs write is read as they mean it."""

import time

import pytest

from benchmarks.errors import UserError
from results.scoring.sgf import GameRecord, agrees, read, result_of, written
from tests.refusals import refusal

PLAIN = "(;GM[1]FF[4]SZ[7]KM[9];B[dd];W[cc];B[];W[tt])"
DD, CC, PASS = 3 * 7 + 3, 2 * 7 + 2, 49


def game(tmp_path, text):
    path = tmp_path / "theirs.sgf"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read(path)


def test_what_is_written_is_read_again(tmp_path):
    played = GameRecord(
        7, 8.5, (3, 45, *range(10, 40), 49, 49), r"a ] b \ c", "GNU Go 3.8 level 10", "B+2.5", "000-white", "e", "r"
    )
    text = written(played)
    assert game(tmp_path, text) == played
    assert text.startswith("(;FF[4]GM[1]CA[UTF-8]AP[claims:1]\n")
    assert r"PB[a \] b \\ c]" in text
    assert text.endswith("B[];W[])\n")
    assert ";B[da];W[dg]" in text, "letters of columns from the left and rows from the top"
    assert max(map(len, text.splitlines())) < 90


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        PLAIN.replace(";", "\r\n  ;\n").replace("[dd]", " [dd]"),
        "\N{ZERO WIDTH NO-BREAK SPACE}From: me\n\nHello (all)\n" + PLAIN + "\n\n",
        "(;GM[1]FF[4]SZ[7:7]KM[9];C[no move; (really) \\] ]B[dd]N[a]CR[dd][cc]\n;W[cc]BL[12.5]OW[3];B[];W[])",
        "(;GM[1]FF[4]SZ[7]KM[9](;B[dd](;W[cc];B[];W[])(;W[ce](;B[aa])))(;B[gg];W[aa]))",
        "(;GaMe[1]SiZe[7]KoMi[9];Black[dd];White[cc];B[tt];W[tt])",
        "(;SZ[7];KM[9]PL[B];;B[dd];C[a\\\nb]W[cc];B[];W[])",
    ],
)
def test_what_others_write(tmp_path, text):
    found = game(tmp_path, text)
    assert (found.size, found.komi, found.moves) == (7, 9.0, (DD, CC, PASS, PASS))


def test_values_are_plain_text(tmp_path):
    found = game(tmp_path, "(;SZ[5]PB[ Gnu\\\nGo\t3\\:8\\]\nlevel ]RE[W+R]EV[\\\\];B[aa])")
    assert (found.black, found.result, found.event, found.komi) == ("GnuGo 3:8] level", "W+R", "\\", None)
    assert found.white == ""


def test_without_a_size_a_board_is_19x19(tmp_path):
    assert game(tmp_path, "(;B[ss];W[])").moves == (360, 361)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("(;CA[UTF-8]PB[Ōta])".encode(), "Ōta"),
        ("(;PB[Ōta])".encode(), "Ōta"),
        ("(;PB[Müller])".encode("latin-1"), "Müller"),
        ("(;CA[Shift_JIS]PB[表]PW[x])".encode("shift_jis"), "表"),
        ("(;CA[GB2312]PB[围棋])".encode("gb2312"), "围棋"),
    ],
)
def test_encodings(tmp_path, text, name):
    """The second byte of the Japanese sign is a backslash, which must not be taken for an escape."""
    assert game(tmp_path, text).black == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not SGF: it has no `(;`"),
        ("PK\x03\x04", "a zip archive, as .npz, .xlsx and .pt are; unpack it (`unzip`), or export what is in it"),
        ("(;SZ[7];B[dd]", "not SGF: it ends inside the game, a `)` is missing"),
        ("(;SZ[7]\n;B[dd)", "line 2: not SGF: a `[` is never closed"),
        ("(;SZ[7]\n;B[dd]*)", "line 2: not SGF: '*' stands outside a value"),
        ("(;[7])", "line 1: not SGF: the value '7' has no property"),
        ("(;SZ[7];B[dd])(;SZ[7];B[dd])", "it holds several games; write one a file"),
        ("(;GM[2]SZ[8])", "GM is '2', so it is another game than Go"),
        ("(;SZ[7:9])", "SZ is '7:9'; expected a square board of 2 to 19"),
        ("(;SZ[23])", "SZ is '23'"),
        (f"(;SZ[{'7' * 5_000}])", "...'; expected a square board of 2 to 19"),
        ("(;SZ[\u0667])", "SZ is '\u0667'"),
        ("(;SZ[7]KM[six])", "KM is 'six'; expected a number"),
        ("(;SZ[7]KM[nan])", "KM is 'nan'"),
        ("(;SZ[7]KM[1_0])", "KM is '1_0'"),
        ("(;SZ[7]AB[dd];W[cc])", "it sets stones up (AB, AW or AE)"),
        ("(;SZ[7];B[dd];AE[dd])", "it sets stones up"),
        ("(;SZ[7];W[dd])", "move 1 is W's, who has just moved; a pass is written as B[]"),
        ("(;SZ[7];B[dd];B[cc])", "move 2 is B's, who has just moved; a pass is written as W[]"),
        ("(;SZ[7];B[dd]W[cc])", "move 1: several moves stand in one node"),
        ("(;SZ[7];B[dd][cc])", "move 1: several moves stand in one node"),
        ("(;SZ[7];B[hh])", "move 1: 'hh' is no point of a board of 7x7"),
        ("(;SZ[7];B[D4])", "move 1: 'D4' is no point"),
        (b"(;CA[UTF-8]\nPB[\xff])", "line 2 is not in the encoding that CA names"),
        ("(;CA[EBCDIC-x])", "its encoding CA[EBCDIC-x] is unknown; save it in UTF-8"),
    ],
)
def test_what_is_refused(tmp_path, text, message):
    with pytest.raises(UserError, match=r"theirs\.sgf: ") as caught:
        game(tmp_path, text)
    assert message in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="No such file"):
        read(tmp_path / "gone.sgf")
    with pytest.raises(UserError, match="Is a directory"):
        read(tmp_path)


def test_results():
    assert [result_of(margin) for margin in (2.0, -9.5, 0.0)] == ["B+2", "W+9.5", "0"]
    for result in ("B+2", "B+2.0", "B+", "", "?"):
        assert agrees(result, 2.0), result
    for result in ("0", "Draw", "W+2", "B+3", "B+R", "B+T", "Void", "B+nan", "nonsense"):
        assert not agrees(result, 2.0), result
    assert agrees("0", 0.0)
    assert agrees("Draw", 0.0)
    assert not agrees("W+0", 0.0)


def test_a_long_file_takes_no_longer_for_each_token(tmp_path):
    """Of 2 MB, which counting its lines anew at each token took a minute for."""
    (tmp_path / "long.sgf").write_text("(;SZ[7]" + "\n\n\n\n;" * 400_000 + "*)")
    begun = time.process_time()
    assert "line 1600001: not SGF" in refusal(read, tmp_path / "long.sgf")
    assert time.process_time() - begun < 15
