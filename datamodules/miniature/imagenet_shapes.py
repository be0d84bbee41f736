"""The twenty shapes of the miniature ImageNet, as predicates on the plane.

Each takes coordinates x, y (float arrays, broadcast together, x to the right and y down; the shape fills about the
unit disc) and says which points lie inside. All have much the same area, so that neither mean colour nor a coarse
thumbnail gives the class away.
"""

from collections.abc import Callable

import numpy as np

from benchmarks.arrays import Bools, Floats

Plane = Floats
Mask = Bools


def disc(x: Plane, y: Plane) -> Mask:
    """A filled circle."""
    return np.hypot(x, y) < 0.8


def ring(x: Plane, y: Plane) -> Mask:
    """An annulus."""
    return np.abs(np.hypot(x, y) - 0.72) < 0.24


def target(x: Plane, y: Plane) -> Mask:
    """A dot within a ring."""
    radius = np.hypot(x, y)
    return (radius < 0.34) | (np.abs(radius - 0.8) < 0.17)


def frame(x: Plane, y: Plane) -> Mask:
    """The outline of a square."""
    return np.abs(np.maximum(np.abs(x), np.abs(y)) - 0.64) < 0.2


def triangle(x: Plane, y: Plane) -> Mask:
    """A filled triangle that stands on a side."""
    return (y < 0.7) & (2 * np.abs(x) < y + 1)


def star(x: Plane, y: Plane) -> Mask:
    """A star with five blunt points."""
    edge: Plane = 0.66 + 0.36 * np.cos(5 * np.arctan2(x, -y))
    return np.hypot(x, y) < edge


def cross(x: Plane, y: Plane) -> Mask:
    """A plus sign."""
    near, far = np.minimum(np.abs(x), np.abs(y)), np.maximum(np.abs(x), np.abs(y))
    return (near < 0.27) & (far < 0.95)


def saltire(x: Plane, y: Plane) -> Mask:
    """A cross that stands on two legs."""
    return cross((x + y) / np.sqrt(2), (x - y) / np.sqrt(2))


def crescent(x: Plane, y: Plane) -> Mask:
    """A moon, open to the right."""
    return (np.hypot(x, y) < 0.95) & (np.hypot(x - 0.5, y) > 0.75)


def rows(x: Plane, y: Plane) -> Mask:
    """A disc of level stripes."""
    return (np.hypot(x, y) < 0.95) & (np.sin(9 * y) > -0.2)


def columns(x: Plane, y: Plane) -> Mask:
    """A disc of upright stripes."""
    return rows(y, x)


def slants(x: Plane, y: Plane) -> Mask:
    """A disc of slanting stripes."""
    return rows((x + y) / np.sqrt(2), (x - y) / np.sqrt(2))


def checkers(x: Plane, y: Plane) -> Mask:
    """A checkerboard of four by four fields."""
    return (np.maximum(np.abs(x), np.abs(y)) < 0.9) & (np.sin(7 * x) * np.sin(7 * y) > 0)


def dots(x: Plane, y: Plane) -> Mask:
    """Three rows of three dots."""
    across, down = x / 0.62, y / 0.62
    apart = np.hypot(across - np.clip(np.round(across), -1, 1), down - np.clip(np.round(down), -1, 1))
    return apart < 0.41


def arrow(x: Plane, y: Plane) -> Mask:
    """An arrow to the right."""
    shaft = (np.abs(y) < 0.22) & (x > -0.95) & (x < 0.2)
    return shaft | ((x > 0) & (np.abs(y) < 0.95 - x))


def spiral(x: Plane, y: Plane) -> Mask:
    """A spiral of two turns."""
    radius, angle = np.hypot(x, y), np.arctan2(y, x) / (2 * np.pi)
    return (radius < 0.95) & ((radius / 0.48 - angle) % 1 < 0.5)


def letter_t(x: Plane, y: Plane) -> Mask:
    """The letter T."""
    bar = (np.abs(x) < 0.8) & (np.abs(y + 0.62) < 0.24)
    return bar | ((np.abs(x) < 0.24) & (np.abs(y) < 0.86))


def letter_l(x: Plane, y: Plane) -> Mask:
    """The letter L."""
    foot = (np.abs(x) < 0.7) & (np.abs(y - 0.62) < 0.24)
    return foot | ((np.abs(x + 0.46) < 0.24) & (np.abs(y) < 0.86))


def letter_h(x: Plane, y: Plane) -> Mask:
    """The letter H."""
    posts = (np.abs(np.abs(x) - 0.56) < 0.2) & (np.abs(y) < 0.86)
    return posts | ((np.abs(x) < 0.56) & (np.abs(y) < 0.18))


def hourglass(x: Plane, y: Plane) -> Mask:
    """Two triangles, tip to tip."""
    return (np.abs(y) < 0.85) & (np.abs(x) < 0.9 * np.abs(y) + 0.08)


SHAPES: tuple[Callable[[Plane, Plane], Mask], ...] = (
    disc,
    ring,
    target,
    frame,
    triangle,
    star,
    cross,
    saltire,
    crescent,
    rows,
    columns,
    slants,
    checkers,
    dots,
    arrow,
    spiral,
    letter_t,
    letter_l,
    letter_h,
    hourglass,
)
