"""Our cars against highway-env's own environment, one by one and bit for bit; the driver model; the processes."""

import os
import signal

import gymnasium
import numpy as np
import pytest

from benchmarks.errors import UserError
from datamodules.driving import training_seeds
from datamodules.environments import drives
from datamodules.environments.drives import Drives, driven_by
from datamodules.environments.episodes import Played, play
from datamodules.environments.highway import FASTER, IDLE, LONGEST, SLOWER, Car, Scene
from datamodules.environments.motorway import Motorway, There
from results.scoring.driving import fixed_seeds

NAME = "highway-fast-v0"
SCENE = Scene(NAME)
SEEDS = [10, 1000]


@pytest.fixture(scope="module")
def vanilla():
    """Gymnasium's own, as anybody makes it."""
    return gymnasium.make(f"highway_env:{NAME}")


def actions(steps, cars, seed=0):
    """Rash ones, so that episodes end."""
    return np.random.default_rng(seed).choice([0, 2, FASTER, FASTER], size=(steps, cars))


def driven(motorway, told):
    """All that these actions lead to from `SEEDS` on."""
    first, _ = motorway.reset(seed=SEEDS)
    return [first, *(motorway.step(each) for each in told)]


@pytest.fixture(scope="module")
def told():
    return actions(14, 2)


@pytest.fixture(scope="module")
def journey(told):
    return driven(Motorway(SCENE, 2), told)


def same(one, other):
    """Whether two journeys are equal to the last bit."""
    for ours, theirs in zip(one[1:], other[1:], strict=True):
        for number in range(4):
            assert ours[number].tobytes() == theirs[number].tobytes()
        for mine, yours in zip(ours[4]["final_obs"], theirs[4]["final_obs"], strict=True):
            assert (mine is None) == (yours is None)
            assert mine is None or mine.tobytes() == yours.tobytes()
    return one[0].tobytes() == other[0].tobytes()


def test_every_step_is_vanilla_gymnasiums(vanilla, told, journey):
    first, *steps = journey
    ends = 0
    for car, seed in enumerate(SEEDS):
        observation, _ = vanilla.reset(seed=seed)
        np.testing.assert_array_equal(first[car], observation.ravel())
        for action, (observations, rewards, terminated, truncated, infos) in zip(told[:, car], steps, strict=True):
            observation, reward, crashed, over, _ = vanilla.step(int(action))
            assert (rewards[car], terminated[car], truncated[car]) == (reward, crashed, over)
            if crashed or over:
                np.testing.assert_array_equal(infos["final_obs"][car], observation.ravel())
                ends, seed = ends + 1, seed + 2  # noqa: PLW2901 (of the next episode)
                observation, _ = vanilla.reset(seed=seed)
            else:
                assert infos["final_obs"][car] is None
            np.testing.assert_array_equal(observations[car], observation.ravel())
    assert ends >= 2
    assert vanilla.observation_space.shape == (5, 5)
    assert Motorway(SCENE, 1).sizes == (25, vanilla.action_space.n)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_processes_change_nothing(workers, told, journey):
    assert same(driven(Motorway(SCENE, 2, workers), told), journey)


def test_it_goes_on_from_a_state(told, journey):
    before, after = Motorway(SCENE, 2, 2), Motorway(SCENE, 2)
    before.reset(seed=SEEDS)
    for each in told[:11]:
        before.step(each)
    after.restore(before.state())
    np.testing.assert_array_equal(after.observations, journey[11][0])
    rest = [after.step(each) for each in told[11:]]
    assert same([journey[0], *rest], [journey[0], *journey[12:]])


def test_who_has_ended_rests():
    motorway = Motorway(SCENE, 2, again=False)
    motorway.reset(seed=SEEDS)
    for _ in range(LONGEST[NAME]):
        observations, rewards, _, over, _ = motorway.step(np.array([FASTER, SLOWER]))
    assert over.tolist() == [True, True]
    assert rewards[0] == 0
    again = motorway.step(np.array([FASTER, SLOWER]))
    np.testing.assert_array_equal(again[0], observations)
    assert again[1].tolist() == [0, 0]
    assert not again[2].any()


def test_a_wider_view_changes_no_road():
    wide = Scene(NAME, vehicles=9, see_behind=True)
    one, other = (Motorway(scene, 1) for scene in (SCENE, wide))
    narrow, _ = one.reset(seed=[11])
    broad, _ = other.reset(seed=[11])
    assert broad.shape == (1, 45)
    np.testing.assert_array_equal(narrow[0, :5], broad[0, :5])  # the ego
    for action in (IDLE, FASTER, 0):
        assert one.step(np.array([action]))[1] == other.step(np.array([action]))[1]
    assert wide.observed == "9 vehicles, all around"


def test_the_yardstick_is_the_simulators_own_driver_in_the_egos_place():
    car = Car(Scene(NAME, driver="idm"))
    car.begin(21)
    simulation = car.simulation
    ego, speeds = simulation.vehicle, []
    assert type(ego).__name__ == "IDMVehicle"
    assert simulation.road.vehicles[0] is ego, "in the place, and in the order, that the ego had"
    assert (ego.target_speed, len(simulation.road.vehicles)) == (30, 21)
    assert ego.check_collisions, "or it could not crash"
    assert sum(each.check_collisions for each in simulation.road.vehicles) == 1
    for _ in range(6):
        _, reward, crashed, _ = car.step(FASTER)
        speeds.append(ego.speed)
        assert simulation.vehicle is ego
        assert simulation.controlled_vehicles == [ego]
        lanes = (ego.target_lane_index[2] if not crashed else 0) / 2
        scaled = np.clip((ego.speed * np.cos(ego.heading) - 20) / 10, 0, 1)
        assert reward == pytest.approx((0.4 * scaled + 0.1 * lanes + 1) / 1.5), "the reward is of its own driving"
    assert len(set(speeds)) == 6


def test_the_yardstick_drives_the_same_every_time_whatever_it_is_told():
    found = []
    for action, workers in ((IDLE, 0), (FASTER, 2)):
        motorway = Motorway(Scene(NAME, driver="idm"), 2, workers, again=False)
        motorway.reset(seed=[1, 3])
        found.append([motorway.step(np.full(2, action)) for _ in range(8)])
    assert same([found[0][0][0], *found[0]], [found[0][0][0], *found[1]])


def test_a_crash_ends_an_episode_and_is_told():
    seeds = fixed_seeds(3)
    rash = play(Drives(SCENE, seeds, 0), lambda observations: np.full(len(observations), FASTER))
    assert rash.terminated.all()
    assert (rash.lengths < 30).all()
    assert (rash.returns < rash.lengths).all()


def test_what_others_drove_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(drives, "ROOT", tmp_path)
    some = Drives(SCENE, fixed_seeds(2), 0)
    first = driven_by("always_faster", some)
    monkeypatch.setattr(drives, "_drive", None)  # which nobody needs again
    second = driven_by("always_faster", Drives(Scene(NAME, 15, see_behind=True), fixed_seeds(2), 2))
    for name in ("seeds", "returns", "lengths", "terminated"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name
    for other in ((fixed_seeds(3), "always_faster"), (fixed_seeds(2), "random")):
        with pytest.raises(TypeError, match="not callable"):
            driven_by(other[1], Drives(SCENE, other[0], 0))
    monkeypatch.setattr(drives, "_simulator", lambda: ["highway-env 1.13"])
    with pytest.raises(TypeError, match="not callable"):
        driven_by("always_faster", some)


def test_each_episode_is_told_beside_the_yardsticks(monkeypatch):
    some = Drives(SCENE, [1, 3], 0)
    idm = Played([1, 3], np.array([20.5, 21.5]), np.array([30, 30]), np.array([False, False]))
    monkeypatch.setattr(drives, "driven_by", lambda driver, asked: idm if (driver, asked) == ("idm", some) else None)
    agent = Played([1, 3], np.array([4.5, 22.5]), np.array([6, 30]), np.array([True, False]))
    crash, whole = ({"return": 4.5, "length": 6, "crashed": True}, {"return": 22.5, "length": 30, "crashed": False})
    assert some.predictions(agent) == [
        {"seed": 1, "agent": crash, "idm": whole | {"return": 20.5}},
        {"seed": 3, "agent": whole, "idm": whole | {"return": 21.5}},
    ]


def test_a_longer_test_begins_as_a_shorter_one():
    few, many = (drives.in_batches(SCENE, fixed_seeds(count), 0) for count in (50, 120))
    assert [(batch.first, len(batch.seeds)) for batch in many] == [(0, 50), (50, 50), (100, 20)]
    assert few[0].seeds == many[0].seeds
    assert many[2].seeds[-1] == fixed_seeds(120)[-1]


def test_no_two_episodes_begin_alike_but_those_of_tests():
    training = {seed + 2 * k for run in range(5) for seed in training_seeds(run, 8) for k in range(50)}
    assert len(training) == 5 * 8 * 50
    assert all(seed % 2 == 0 for seed in training)
    testing, validating = set(fixed_seeds(500)), set(fixed_seeds(100, 1_000_000))
    assert len(testing | validating) == 600
    assert all(seed % 2 == 1 for seed in testing | validating)


def test_an_unknown_road_is_refused():
    with pytest.raises(UserError, match=r"there is no environment 'merge-v0' here\. Known: highway-fast-v0"):
        Motorway(Scene("merge-v0"), 1)


def test_a_process_that_ends_or_fails_is_told():
    there = There(SCENE, 1, True)
    there.ask("begin", [1, 2])
    with pytest.raises(RuntimeError, match="the simulator of cars failed: ValueError"):
        there.hear()
    there.ask("begin", [1])
    assert len(there.hear()) == 1
    os.kill(there.process.pid, signal.SIGKILL)
    there.process.join()
    there.ask("begin", [1])
    with pytest.raises(RuntimeError, match="a process that simulates cars has ended"):
        there.hear()


def test_processes_end_with_what_started_them():
    motorway = Motorway(SCENE, 2, 2)
    processes = [group.process for group in motorway.groups]
    assert all(process.is_alive() for process in processes)
    del motorway
    assert not any(process.is_alive() for process in processes)
