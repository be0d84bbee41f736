"""Games as SGF files, readable by any viewer: www.red-bean.com/sgf, FF[4].

Read is what other programs write too: comments, variations (the main line counts), any whitespace, encodings, passes as
`[tt]`. Positions that were set up are refused, as is more than one game in a file.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.errors import UserError
from results.scoring.rows import decimal, read_bytes, refuse_other_forms, shown, whole_number

LETTERS = "abcdefghijklmnopqrs"
SIZES = range(2, len(LETTERS) + 1)
APPLICATION = "claims:1"
A_LINE = 12  # moves in a line of a file that is written here

_TOKENS = re.compile(r"(?P<mark>[();])|(?P<name>[A-Za-z]+)|\[(?P<value>(?:[^\]\\]|\\.)*)\]|(?P<space>\s+)", re.DOTALL)
_CHARSET = re.compile(rb"CA\s*\[\s*([^\]]*?)\s*\]")
_SETUP = ("AB", "AW", "AE")

Node = dict[str, list[str]]


@dataclass(frozen=True)
class GameRecord:
    """A game from an empty board, Black first.

    Attributes:
        size: of the board.
        komi: None where a file does not say.
        moves: points row by row from the top; size x size to pass.
        black: the name of who played Black.
        white: the name of who played White.
        result: such as `B+2.5`, `W+R` or `0`, empty where a file does not say.
        name: of the game.
        event: that the game was part of.
        rules: that it was played by.
    """

    size: int
    komi: float | None
    moves: tuple[int, ...]
    black: str
    white: str
    result: str
    name: str = ""
    event: str = ""
    rules: str = ""


def result_of(margin: float) -> str:
    """How SGF says who won, from Black's margin."""
    return "0" if margin == 0 else f"{'B' if margin > 0 else 'W'}+{abs(margin):g}"


def agrees(result: str, margin: float) -> bool:
    """Whether a result is that of Black's margin, as far as it says anything; a game that was given up has none."""
    if result in ("", "?"):
        return True
    if result in ("0", "Draw", "Jigo"):
        return margin == 0
    winner, _, by = result.partition("+")
    try:
        return winner == ("B" if margin > 0 else "W") and margin != 0 and (not by or float(by) == abs(margin))
    except ValueError:
        return False


def written(game: GameRecord) -> str:
    """The text of a file."""
    moves = [f";{'WB'[number % 2 == 0]}[{_point(move, game.size)}]" for number, move in enumerate(game.moves)]
    lines = ["".join(moves[first : first + A_LINE]) for first in range(0, len(moves), A_LINE)]
    values = {
        "RU": game.rules, "SZ": str(game.size), "KM": "" if game.komi is None else f"{game.komi:g}", "EV": game.event,
        "GN": game.name, "PB": game.black, "PW": game.white, "RE": game.result,
    }  # fmt: skip
    told = "\n".join(f"{key}[{_escaped(value)}]" for key, value in values.items() if value)
    return "\n".join([f"(;FF[4]GM[1]CA[UTF-8]AP[{APPLICATION}]", told, *lines]) + ")\n"


def read(file: Path) -> GameRecord:
    """Reads the one game of a file.

    Raises:
        UserError: it cannot be read, is no SGF, or holds what is no plain game of Go; the message names the file.
    """
    data = read_bytes(file)
    refuse_other_forms(file, data)
    try:
        return _game(list(_main_line(_decoded(data))))
    except ValueError as error:
        raise UserError(f"{file}: {error}") from None


def _decoded(data: bytes) -> str:
    """The text, by the encoding that it names; without a name UTF-8, or Latin-1 as SGF has it."""
    data = data.removeprefix(codecs.BOM_UTF8)
    named = _CHARSET.search(data)
    try:
        return data.decode(named[1].decode("ascii", "replace") if named else "utf-8")
    except LookupError:
        assert named is not None
        raise ValueError(
            f"its encoding CA[{named[1].decode('ascii', 'replace')}] is unknown; save it in UTF-8"
        ) from None
    except UnicodeDecodeError as error:
        if named is None:
            return data.decode("latin-1")
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not in the encoding that CA names; save it in UTF-8") from None


def _main_line(text: str) -> Iterator[Node]:
    """The nodes from the root on, at each branch into its first variation: those before the first `)`."""
    node: Node | None = None
    name, ended = "", False
    for kind, piece, line in _tokens(text):
        if kind == "mark":
            if node is not None:
                yield node
            ended = ended or piece == ")"
            node, name = ({} if piece == ";" and not ended else None), ""
        elif kind == "name":
            name = "".join(filter(str.isupper, piece))  # older files have `GaMe` for `GM`
        elif not ended:
            if node is None or not name:
                raise ValueError(f"line {line}: not SGF: the value {shown(piece)} has no property")
            node.setdefault(name, []).append(_plain(piece))


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """Kind, text and line of each token of the one game tree."""
    start = re.search(r"\(\s*;", text)  # what stands before is for people, such as the head of a mail
    if start is None:
        raise ValueError("not SGF: it has no `(;`")
    place, depth, line = start.start(), 0, text.count("\n", 0, start.start()) + 1
    while place < len(text):
        token = _TOKENS.match(text, place)
        if token is None:
            what = "a `[` is never closed" if text[place] == "[" else f"{shown(text[place])} stands outside a value"
            raise ValueError(f"line {line}: not SGF: {what}")
        kind = str(token.lastgroup)
        depth += {"(": 1, ")": -1}.get(token[0], 0)
        if kind != "space":
            yield kind, token[kind], line
        place, line = token.end(), line + token[0].count("\n")
        if depth == 0:
            break
    if depth:
        raise ValueError("not SGF: it ends inside the game, a `)` is missing")
    if re.search(r"\(\s*;", text[place:]):
        raise ValueError("it holds several games; write one a file")


def _plain(value: str) -> str:
    """A value without its escapes; every white space is a blank."""
    joined = re.sub(r"\\(\r\n|\n\r|\n|\r)", "", value)
    return re.sub(r"\s", " ", re.sub(r"\\(.)", r"\1", joined)).strip()


def _escaped(value: str) -> str:
    return re.sub(r"([\\\]])", r"\\\1", value)


def _game(nodes: Sequence[Node]) -> GameRecord:
    if _told(nodes, "GM", "1") != "1":
        raise ValueError(f"GM is {shown(_told(nodes, 'GM'))}, so it is another game than Go, which is 1")
    size, komi = _size(_told(nodes, "SZ", "19")), _komi(_told(nodes, "KM"))
    return GameRecord(
        size, komi, tuple(_moves(nodes, size)), black=_told(nodes, "PB"),
        white=_told(nodes, "PW"), result=_told(nodes, "RE"), name=_told(nodes, "GN"), event=_told(nodes, "EV"),
        rules=_told(nodes, "RU"),
    )  # fmt: skip


def _told(nodes: Sequence[Node], name: str, default: str = "") -> str:
    """What is said of the game, on whichever node."""
    return next((node[name][0] for node in nodes if name in node), default)


def _size(text: str) -> int:
    across = text.partition(":")[0]
    square = text.removesuffix(f":{across}")
    return whole_number("SZ", square, SIZES[0], SIZES[-1], "a square board of {least} to {most}")


def _komi(text: str) -> float | None:
    return decimal("KM", text, expected="a number such as 7.5") if text else None


def _moves(nodes: Sequence[Node], size: int) -> Iterator[int]:
    count = 0
    for node in nodes:
        if any(name in node for name in _SETUP):
            raise ValueError("it sets stones up (AB, AW or AE); a game begins on an empty board, Black first")
        made = [(colour, value) for colour in "BW" for value in node.get(colour, ())]
        if not made:
            continue
        count += 1
        (colour, value), *more = made
        if more:
            raise ValueError(f"move {count}: several moves stand in one node")
        if colour != "WB"[count % 2]:
            raise ValueError(
                f"move {count} is {colour}'s, who has just moved; a pass is written as {'WB'[count % 2]}[]"
            )
        yield _move(value, size, count)


def _move(value: str, size: int, count: int) -> int:
    if value in ("", "tt"):
        return size * size
    if len(value) != 2 or not set(value) <= set(LETTERS[:size]):
        raise ValueError(f"move {count}: {shown(value)} is no point of a board of {size}x{size}")
    return LETTERS.index(value[1]) * size + LETTERS.index(value[0])


def _point(move: int, size: int) -> str:
    return "" if move == size * size else LETTERS[move % size] + LETTERS[move // size]
