"""The batched robots against Gymnasium's own, bit for bit."""

import io
from functools import partial

import gymnasium
import mujoco
import numpy as np
import pytest
import torch
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode
from mujoco.batch import SimulationError

from benchmarks.errors import Failure, UserError
from datamodules.environments.batched import BatchedMujoco
from datamodules.environments.episodes import Episodes, play
from datamodules.environments.film import Filmed, FilmedEpisodes
from datamodules.environments.tasks import TASKS
from results.scoring.film import COORDINATES

COUNT = 4


def reference(name, count=COUNT):
    kwargs = {"autoreset_mode": AutoresetMode.SAME_STEP}
    return gymnasium.make_vec(name, count, vectorization_mode="sync", vector_kwargs=kwargs)


def assert_equal(ours, theirs, where):
    """Nested infos and arrays: the same keys, types and bits, so that 0.0 is not -0.0."""
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys(), where
        for key, value in theirs.items():
            assert_equal(ours[key], value, f"{where}.{key}")
    elif theirs.dtype == object:
        assert [each is None for each in ours] == [each is None for each in theirs], where
        for mine, other in zip(ours, theirs, strict=True):
            if other is not None:
                assert_equal(mine, other, where)
    else:
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), where
        np.testing.assert_array_equal(ours, theirs, err_msg=where)
        assert ours.tobytes() == theirs.tobytes(), where


def assert_same_reset(ours, theirs, **kwargs):
    for mine, other in zip(ours.reset(**kwargs), theirs.reset(**kwargs), strict=True):
        assert_equal(mine, other, f"reset({kwargs})")


def assert_same_step(ours, theirs, actions, where):
    mine, other = ours.step(actions), theirs.step(actions)
    for name, a, b in zip(("observation", "reward", "terminated", "truncated", "infos"), mine, other, strict=True):
        assert_equal(a, b, f"{where}, {name}")
    return other[2].sum(), other[3].sum()


def resumed(environments, threads=1):
    """A fresh object that goes on from a saved state."""
    file = io.BytesIO()
    torch.save(environments.state(), file)
    file.seek(0)
    fresh = BatchedMujoco(environments.environment, environments.num_envs, threads)
    fresh.restore(torch.load(file, weights_only=True))
    return fresh


def assert_a_thousand_steps(name, count, threads):
    """Random torques, ends of episodes by a fall and by the time limit, and a stop in the middle."""
    ours, theirs = BatchedMujoco(name, count, threads), reference(name, count)
    assert (ours.single_observation_space, ours.action_space) == (theirs.single_observation_space, theirs.action_space)
    assert_same_reset(ours, theirs, seed=7)
    generator = np.random.default_rng(1)
    fallen = cut = 0
    for step in range(1150):
        gently = 0.1 if name == "Ant-v5" and step < 1010 else 1.2  # beyond 1, where the motors are at their limit
        actions = (gently * generator.uniform(-1, 1, ours.action_space.shape)).astype(np.float32)
        ended = assert_same_step(ours, theirs, actions, f"{name}, step {step}")
        fallen, cut = fallen + ended[0], cut + ended[1]
        if step == 600:
            ours = resumed(ours, threads)
    assert fallen > 0 or name == "HalfCheetah-v5"
    assert cut > 0 or name in ("Walker2d-v5", "Hopper-v5")
    assert_same_reset(ours, theirs)


@pytest.mark.parametrize("name", TASKS)
def test_a_thousand_steps_equal_gymnasium(name):
    assert_a_thousand_steps(name, COUNT, threads=1)


@pytest.mark.slow
@pytest.mark.parametrize("name", TASKS)
def test_as_many_as_a_run_trains_in_on_two_threads(name):
    assert_a_thousand_steps(name, 64, threads=2)


@pytest.mark.parametrize("name", ["Hopper-v5", "Walker2d-v5"])
def test_the_time_limit_of_a_robot_that_stands(name):
    """Random torques fell it long before; here its clock is put forward, in Gymnasium's wrapper too."""
    ours, theirs = BatchedMujoco(name, COUNT), reference(name)
    assert_same_reset(ours, theirs, seed=3)
    ours.elapsed[:] = 990
    for environment in theirs.envs:
        assert environment._elapsed_steps == 0
        environment._elapsed_steps = 990
    still = np.zeros(ours.action_space.shape, np.float32)
    ends = [assert_same_step(ours, theirs, still, f"step {step}") for step in range(12)]
    assert ends == [(0, 0)] * 9 + [(0, COUNT)] + [(0, 0)] * 2


def test_no_step_is_timed():
    robot = gymnasium.make("Hopper-v5").unwrapped
    robot.reset(seed=0)
    robot.step(robot.action_space.sample())
    whole = robot.data.timer[mujoco.mjtTimer.mjTIMER_STEP]
    assert (whole.number, whole.duration) == (robot.frame_skip, 0)


def test_the_contact_forces_that_are_seen_are_part_of_the_state():
    ours, nobody = BatchedMujoco("Ant-v5", 2), {"reset_mask": np.zeros(2, np.bool_)}
    ours.reset(seed=0)
    for _ in range(20):
        ours.step(np.zeros((2, 8), np.float32))
    seen, _ = ours.reset(options=nobody)
    assert np.abs(seen[:, 27:]).max() > 0, "all have landed"
    assert_equal(resumed(ours).reset(options=nobody)[0], seen, "observations")


@pytest.mark.parametrize("name", TASKS)
def test_threads_change_nothing(name):
    ours, theirs = BatchedMujoco(name, 5, threads=2), BatchedMujoco(name, 5)
    assert_same_reset(ours, theirs, seed=0)
    generator = np.random.default_rng(2)
    for step in range(60):
        assert_same_step(ours, theirs, generator.uniform(-1, 1, ours.action_space.shape), f"step {step}")


def test_seeds_one_by_one():
    ours, theirs = BatchedMujoco("Hopper-v5", COUNT), reference("Hopper-v5")
    for seeds in ([5, 11, 2**40, 0], [5, None, None, 1]):
        assert_same_reset(ours, theirs, seed=seeds)
        for step in range(40):
            assert_same_step(ours, theirs, np.full(ours.action_space.shape, 0.3, np.float32), f"step {step}")
    with pytest.raises(ValueError, match="expected 4 seeds, got 2"):
        ours.reset(seed=[1, 2])


def test_a_seed_that_the_system_drew_can_be_used_again():
    ours = BatchedMujoco("Ant-v5", 2)
    drawn, _ = ours.reset()
    assert_equal(ours.reset(seed=ours.seeds)[0], drawn, "a reset with the seeds that the first one drew")


@pytest.mark.parametrize("name", TASKS)
def test_a_reset_of_some(name):
    """The others run on, with actions in float64 and in Fortran's order."""
    ours, theirs = BatchedMujoco(name, COUNT), reference(name)
    assert_same_reset(ours, theirs, seed=1)
    generator = np.random.default_rng(3)
    for step in range(60):
        if step == 17:
            mask = np.array([False, True, True, False])
            mine, other = (each.reset(seed=9, options={"reset_mask": mask}) for each in (ours, theirs))
            assert_equal(mine[0], other[0], "observations")
            assert_equal(mine[1], other[1], "infos")
        actions = np.asfortranarray(generator.uniform(-1, 1, ours.action_space.shape))
        assert_same_step(ours, theirs, actions, f"step {step}")


def test_what_is_asked_wrongly_is_named():
    with pytest.raises(UserError, match=r"no environment 'Walker-v5' here\. Known: Walker2d-v5, Hopper-v5"):
        BatchedMujoco("Walker-v5", 1)
    ours = BatchedMujoco("Hopper-v5", 2)
    actions = np.zeros((2, 3), np.float32)
    with pytest.raises(ResetNeeded):
        ours.step(actions)
    ours.reset(seed=[4, 9])
    with pytest.raises(ValueError, match=r"expected actions of shape \(2, 3\), got \(1, 3\)"):
        ours.step(actions[:1])
    ours.step(actions)
    for bad in (np.nan, np.inf):
        actions[1, 2] = bad
        with pytest.raises(Failure, match=r"not finite: environment 1 of 2 \(Hopper-v5\), last seeded with 9, step 2"):
            ours.step(actions)
    with pytest.raises(ValueError, match="expected a state of 3 Hopper-v5, got one of 2 Hopper-v5"):
        BatchedMujoco("Hopper-v5", 3).restore(ours.state())
    with pytest.raises(ValueError, match="expected a state of 2 Walker2d-v5, got one of 2 Hopper-v5"):
        BatchedMujoco("Walker2d-v5", 2).restore(ours.state())


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", TASKS)
def test_a_simulation_that_diverges_is_named(name, threads, tmp_path, monkeypatch):
    """MuJoCo would set it back to its start and write a file about it; a reset begins anew."""
    monkeypatch.chdir(tmp_path)
    ours = BatchedMujoco(name, 3, threads)
    actions = np.zeros(ours.action_space.shape, np.float32)
    ours.reset(seed=5)
    ours.step(actions)
    ours.qvel[1, 0] = np.nan
    diverged = rf"diverged: environment 1 of 3 \({name}\), last seeded with 6, step 2"
    with pytest.raises(Failure, match=diverged) as caught:
        ours.step(actions)
    again = BatchedMujoco(name, 3, threads)
    again.reset(seed=0)
    again.restore(caught.value.state)
    with pytest.raises(Failure, match=diverged):
        again.step(caught.value.state["actions"].numpy())
    ours.reset(seed=5)
    ours.step(actions)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [None, "<mujoco><worldbody>", "no model"])
def test_a_model_that_cannot_be_loaded(content, tmp_path, monkeypatch):
    file = tmp_path / "hopper.xml"
    if content is not None:
        file.write_text(content)
    monkeypatch.setattr(gymnasium, "make", partial(gymnasium.make, xml_file=str(file)))
    with pytest.raises(UserError, match=r"MuJoCo cannot load the model of Hopper-v5: .*run make install\."):
        BatchedMujoco("Hopper-v5", 1)


def test_an_error_of_mujoco_is_named(monkeypatch):
    ours = BatchedMujoco("Hopper-v5", 3)
    ours.reset(seed=5)

    def fail(nstep):
        raise SimulationError(np.array([2]), "out of memory")

    monkeypatch.setattr(ours.batch, "step", fail)
    with pytest.raises(Failure, match=r"memory: environment 2 of 3 \(Hopper-v5\), last seeded with 7, step 1"):
        ours.step(np.zeros((3, 3), np.float32))


def test_positions_are_a_copy():
    ours = BatchedMujoco("Walker2d-v5", 2)
    ours.reset(seed=0)
    ours.positions[:] = 7
    assert ours.positions.shape == (2, 9)
    assert np.abs(ours.positions - ours.start[0]).max() <= 5e-3  # the noise of a reset


def test_episodes_are_those_of_gymnasium_each_once():
    """Returns and lengths of single vanilla environments, though others in the batch run on beside them."""

    def policy(observations):
        return (-0.1 * observations[:, 8:11]).astype(np.float32)

    seeds = [21, 22, 23, 24, 25]
    played = play(Episodes(BatchedMujoco("Hopper-v5", 5), seeds), policy)
    for seed, total, length in zip(seeds, played.returns, played.lengths, strict=True):
        environment = gymnasium.make("Hopper-v5")
        observation, _ = environment.reset(seed=seed)
        rewards, ended = [], False
        while not ended:
            observation, reward, terminated, truncated, _ = environment.step(policy(observation[None])[0])
            rewards.append(reward)
            ended = terminated or truncated
        assert length == len(rewards)
        assert total == pytest.approx(sum(rewards), rel=1e-12)
    assert len(set(played.lengths)) > 1


@pytest.mark.parametrize(
    ("name", "back"),  # steps from the last frame, 0.1 s apart: of 8 ms in an episode of 26, and of 50 ms
    [("Hopper-v5", [25, 12, 0]), ("Ant-v5", [18, 16, 14, 12, 10, 8, 6, 4, 2, 0])],
)
def test_the_film_is_of_the_worst_episode_and_ends_before_its_last_step(name, back):
    """Each position is that of a vanilla environment which is told the same, though others in the batch run on."""
    seeds, told = [21, 22, 23, 24, 25], []

    def policy(observations):
        told.append(np.random.default_rng(len(told)).uniform(-1, 1, (5, robots.sizes[1])).astype(np.float32))
        return told[-1]

    robots = Filmed(name, 5)
    robots.reset(seed=0)
    robots.step(np.zeros(robots.action_space.shape))  # before these episodes, so no part of their film
    episodes = FilmedEpisodes(robots, seeds)
    played = play(episodes, policy)
    rows = episodes.predictions(played)
    worst = int(played.returns.argmin())
    assert ["film" in row for row in rows] == [place == worst for place in range(5)]
    single = gymnasium.make(name).unwrapped
    single.reset(seed=seeds[worst])
    seen, fallen = [], False
    while not fallen:
        seen.append(single.data.qpos.tolist())
        _, _, fallen, _, _ = single.step(told[len(seen) - 1][worst])
    assert rows[worst]["length"] == len(seen)
    steps = [len(seen) - 1 - each for each in back]
    assert rows[worst]["film"] == {
        "seconds": [step * single.dt for step in steps], "positions": [seen[step] for step in steps],
    }  # fmt: skip


def test_of_equal_episodes_the_first_is_filmed_and_of_a_short_one_what_there_is():
    episodes = FilmedEpisodes(Filmed("Hopper-v5", 3), [7, 5, 5])
    rows = episodes.predictions(play(episodes, lambda observations: np.full((3, 3), -1, np.float32)))
    assert [row["length"] for row in rows] == [6, 6, 6]
    assert rows[0]["return"] > rows[1]["return"] == rows[2]["return"]
    assert ["film" in row for row in rows] == [False, True, False]
    assert rows[1]["film"]["seconds"] == [0.04]


def test_scoring_knows_how_many_numbers_say_where_a_robot_is():
    assert {name: BatchedMujoco(name, 1).model.nq for name in TASKS} == COORDINATES
