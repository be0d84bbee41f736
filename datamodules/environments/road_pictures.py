"""Pictures of a motorway from above, drawn from the positions of its cars: no OpenGL, no window."""

from dataclasses import dataclass
from math import cos, sin
from typing import Any

from PIL import Image, ImageDraw

SIZE = (720, 150)
SCALE = 6.0  # pixels to a metre
EGO_AT = 0.3  # of the width: there is more to see ahead
TOP = 40  # pixels above the road
LANE, LENGTH, WIDTH = 4.0, 5.0, 2.0  # metres, of highway-env's lanes and cars
PAPER, INK, ROAD, LINE = (250, 250, 247), (40, 44, 52), (208, 210, 214), (250, 250, 247)
CAR, EGO, CRASHED = (110, 118, 130), (196, 98, 45), (190, 30, 30)


@dataclass(frozen=True)
class Moment:
    """The places of all cars: middle, in metres along and across the road, and heading in radians; the ego first."""

    cars: tuple[tuple[float, float, float], ...]
    lanes: int
    speed: float
    crashed: bool


def moment(simulation: Any) -> Moment:
    """The present moment of a highway-env."""
    ego, road = simulation.vehicle, simulation.road
    cars = [ego, *(car for car in road.vehicles if car is not ego)]
    places = tuple((float(car.position[0]), float(car.position[1]), float(car.heading)) for car in cars)
    return Moment(places, len(road.network.all_side_lanes(ego.lane_index)), float(ego.speed), bool(ego.crashed))


def picture(shown: Moment, caption: str) -> Image.Image:
    """The road around the ego."""
    image = Image.new("RGB", SIZE, PAPER)
    draw = ImageDraw.Draw(image)
    place = shown.cars[0][0]
    _road(draw, shown.lanes, place)
    for car in shown.cars[1:]:
        _car(draw, car, place, CAR)
    _car(draw, shown.cars[0], place, CRASHED if shown.crashed else EGO)
    draw.text((12, 10), caption, fill=INK)
    return image


def _pixel(along: float, across: float, place: float) -> tuple[float, float]:
    """Positions across the road count from the middle of its left lane."""
    return EGO_AT * SIZE[0] + (along - place) * SCALE, TOP + (across + LANE / 2) * SCALE


def _road(draw: ImageDraw.ImageDraw, lanes: int, place: float) -> None:
    """Asphalt, dashes between the lanes that show how fast it passes, and a number every 50 m."""
    bottom = TOP + lanes * LANE * SCALE
    draw.rectangle([0, TOP, SIZE[0], bottom], fill=ROAD)
    first, last = (int(place + side * SIZE[0] / SCALE) for side in (-1, 1))
    for metre in range(first - first % 10, last, 10):
        for lane in range(1, lanes):
            start, end = (_pixel(along, lane * LANE - LANE / 2, place) for along in (metre, metre + 4))
            draw.line([start, end], fill=LINE, width=2)
        if metre % 50 == 0:
            draw.text((_pixel(metre, 0, place)[0], bottom + 6), f"{metre} m", fill=CAR)


def _car(
    draw: ImageDraw.ImageDraw, car: tuple[float, float, float], place: float, colour: tuple[int, int, int]
) -> None:
    along, across, heading = car
    corners = [(x * LENGTH / 2, y * WIDTH / 2) for x, y in ((1, 1), (1, -1), (-1, -1), (-1, 1))]
    turned = [(x * cos(heading) - y * sin(heading), x * sin(heading) + y * cos(heading)) for x, y in corners]
    draw.polygon([_pixel(along + x, across + y, place) for x, y in turned], fill=colour)
