"""Go as Tromp and Taylor have it, but without suicide: what a move does, which are legal, who owns what (numba).

A board of n = size x size points is a row of int8: `BLACK`, `WHITE` or 0, row by row from the top. A move is a point,
or n to pass. Colours are each other's negative. No position may be made twice in a game (positional superko), whoever
is to move. The rules: tromp.github.io/go.html; suicide is forbidden, as GNU Go and OpenSpiel forbid it.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from benchmarks.jit import jit

BLACK, WHITE = 1, -1


@cache
def neighbours(size: int) -> NDArray[np.int16]:
    """The points beside each point [n, 4], -1 where the board ends."""
    rows, columns = np.divmod(np.arange(size * size), size)
    beside = np.full((size * size, 4), -1, np.int16)
    for place, (down, right) in enumerate(((-1, 0), (0, -1), (0, 1), (1, 0))):
        there = (rows + down >= 0) & (rows + down < size) & (columns + right >= 0) & (columns + right < size)
        beside[there, place] = ((rows + down) * size + columns + right)[there]
    return beside


@cache
def keys(size: int) -> NDArray[np.uint64]:
    """Random numbers [n, 2] of black and white stones; a position's key is the xor of its stones' (Zobrist)."""
    return np.random.Generator(np.random.PCG64(19)).integers(2**64, size=(size * size, 2), dtype=np.uint64)


@jit
def stone_key(table, point, colour):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """The number of one stone."""
    return table[point, 0 if colour == 1 else 1]


@jit
def find_groups(board, beside, labels, liberties, sums, table):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Numbers the groups of connected stones.

    Args:
        board: [n].
        beside: `neighbours`.
        labels: filled with the number of each stone's group [n], -1 where there is none.
        liberties: filled with how many empty points touch each group [n].
        sums: filled with the exclusive or of the keys of each group's stones [n].
        table: `keys`.
    """
    n = len(board)
    stack, seen = np.empty(n, np.int16), np.full(n, -1, np.int16)
    labels[:] = -1
    group = 0
    for first in range(n):
        if board[first] == 0 or labels[first] >= 0:
            continue
        stack[0], left = first, 1
        labels[first], liberties[group], sums[group] = group, 0, 0
        while left:
            left -= 1
            point = stack[left]
            sums[group] ^= stone_key(table, point, board[first])
            for place in range(4):
                other = beside[point, place]
                if other < 0:
                    continue
                if board[other] == board[first] and labels[other] < 0:
                    labels[other] = group
                    stack[left] = other
                    left += 1
                elif board[other] == 0 and seen[other] != group:
                    seen[other] = group
                    liberties[group] += 1
        group += 1


@jit
def key_after(board, beside, labels, liberties, sums, table, key, point, colour):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """The key of the position that a stone makes on an empty point, and whether the rules but superko allow it."""
    breathes = False
    captured = np.empty(4, np.int16)
    count = 0
    for place in range(4):
        other = beside[point, place]
        if other < 0:
            continue
        if board[other] == 0 or (board[other] == colour and liberties[labels[other]] > 1):
            breathes = True
        elif board[other] == -colour and liberties[labels[other]] == 1:
            breathes = True
            group, twice = labels[other], False
            for each in range(count):
                twice = twice or captured[each] == group
            if not twice:
                captured[count] = group
                count += 1
                key ^= sums[group]
    return key ^ stone_key(table, point, colour), breathes


@jit
def find_legal(board, beside, labels, liberties, sums, table, key, colour, past, legal):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Fills which moves [n + 1] are legal; `past` [m] holds the keys of all positions of the game so far."""
    n = len(board)
    legal[n] = True
    for point in range(n):
        legal[point] = False
        if board[point] != 0:
            continue
        after, allowed = key_after(board, beside, labels, liberties, sums, table, key, point, colour)
        if allowed:
            repeated = False
            for each in range(len(past)):
                if past[each] == after:
                    repeated = True
                    break
            legal[point] = not repeated


@jit
def put(board, beside, table, key, point, colour):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Puts a stone on an empty point, takes off what has no liberty left, and returns the position's key."""
    n = len(board)
    board[point] = colour
    key ^= stone_key(table, point, colour)
    stack, seen = np.empty(n, np.int16), np.zeros(n, np.bool_)
    for place in range(4):
        first = beside[point, place]
        if first < 0 or board[first] != -colour or seen[first]:
            continue
        stack[0], count, at, alive = first, 1, 0, False
        seen[first] = True
        while at < count:
            for side in range(4):
                other = beside[stack[at], side]
                if other < 0:
                    continue
                if board[other] == 0:
                    alive = True
                elif board[other] == -colour and not seen[other]:
                    seen[other] = True
                    stack[count] = other
                    count += 1
            at += 1
        if not alive:
            for each in range(count):
                board[stack[each]] = 0
                key ^= stone_key(table, stack[each], -colour)
    return key


@jit
def find_owners(board, beside, owners):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Fills who owns each point [n], 0 where both reach an empty one; returns Black's points less White's."""
    n = len(board)
    stack, seen = np.empty(n, np.int16), np.zeros(n, np.bool_)
    owners[:] = board
    for first in range(n):
        if board[first] != 0 or seen[first]:
            continue
        stack[0], count, at, black, white = first, 1, 0, False, False
        seen[first] = True
        while at < count:
            for place in range(4):
                other = beside[stack[at], place]
                if other < 0:
                    continue
                if board[other] == 1:
                    black = True
                elif board[other] == -1:
                    white = True
                elif not seen[other]:
                    seen[other] = True
                    stack[count] = other
                    count += 1
            at += 1
        for each in range(count):
            owners[stack[each]] = int(black) - int(white)
    return owners.sum()


@jit
def worth(margin, size):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """What an end is worth to who leads by `margin`, from -1 to 1: half for the result, half for how many points.

    With the result alone, one colour loses every game of beginners on a board with this komi, and neither learns.
    """
    return (np.sign(margin) + np.tanh(margin / size)) / 2
