"""The four robots are D4RL's: contact margins, action range, tasks, and what a random policy earns in them."""

import warnings
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest

from ampl.errors import UnknownNameError
from ampl.randomness import stream
from continuous.environments.batch import BatchSimulator
from continuous.environments.locomotion import robots as locomotion
from continuous.environments.locomotion.gymnasium import ROBOTS, make_environment, restore_margins
from continuous.recreate.locomotion.collection import episode_returns, roll_out, uniform_actor
from continuous.tasks.find import find_task


def model_of(robot: str) -> Any:
    return make_environment(robot).unwrapped.model  # type: ignore[attr-defined]


@pytest.mark.parametrize(("robot", "margin"), [("hopper", 0.001), ("ant", 0.01)])
def test_contact_margins_are_those_of_mujoco_before_3_5(robot: str, margin: float) -> None:
    """Up to 3.4 the margin of a contact is the larger one of its geoms, which the XML sets to the same number."""
    environment = make_environment(robot)
    environment.reset(seed=0)
    data = environment.unwrapped.data  # type: ignore[attr-defined]
    margins: list[float] = []
    for _ in range(20):
        environment.step(np.zeros(environment.action_space.shape or ()))
        margins += data.contact.includemargin.tolist()
    assert margins
    np.testing.assert_allclose(margins, margin, rtol=1e-12)


@pytest.mark.parametrize("robot", ["halfcheetah", "walker2d"])
def test_robots_without_margins_stay_as_they_are(robot: str) -> None:
    assert not model_of(robot).geom_margin.any()


@pytest.mark.parametrize(
    ("version", "factor"), [("2.3.7", 1.0), ("3.4.0", 1.0), ("3.5.0", 0.5), ("3.10.1", 0.5), ("4.0.0", 0.5)]
)
def test_margins_are_halved_from_mujoco_3_5_on(version: str, factor: float) -> None:
    model = mujoco.MjModel.from_xml_string("<mujoco><worldbody><geom size='1' margin='.002'/></worldbody></mujoco>")
    restore_margins(model, version)
    assert model.geom_margin[0] == pytest.approx(0.002 * factor)


def test_walker_has_the_foot_friction_of_v4() -> None:
    """The -v5 environment changed the right foot's friction from 0.9 to 1.9."""
    model = model_of("walker2d")
    friction = {side: model.geom(f"foot{side}_geom").friction[0] for side in ("", "_left")}
    assert friction == {"": pytest.approx(0.9), "_left": pytest.approx(1.9)}


def test_hopper_is_paid_for_health_on_the_step_that_falls() -> None:
    """As in D4RL's environment; -v5 withholds it."""
    environment = make_environment("hopper")
    environment.reset(seed=0)
    body: Any = environment.unwrapped
    body.set_state(np.array([0.0, 0.71, 0.19, 0.0, 0.0, 0.0]), np.array([0.0, -1.0, 2.0, 0.0, 0.0, 0.0]))
    start = body.data.qpos[0]
    _, reward, terminated, _, _ = environment.step(np.zeros(3))
    assert terminated
    assert float(reward) == pytest.approx(1.0 + (body.data.qpos[0] - start) / 0.008)


@pytest.mark.parametrize("robot", ["hopper", "halfcheetah", "ant"])
def test_actions_are_clipped_before_the_simulator_and_the_control_cost(robot: str) -> None:
    results = []
    for scale in (1.0, 7.0):
        environment = make_environment(robot)
        environment.reset(seed=3)
        size = environment.action_space.shape or ()
        results.append(environment.step(scale * np.ones(size)))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    assert results[0][1] == results[1][1]


def test_ants_contact_forces_are_zero_as_in_d4rls_files() -> None:
    """MuJoCo 2.0 computed none, so that ant-medium-v2 has 84 columns of zeros."""
    environment = make_environment("ant")
    seen = environment.reset(seed=0)[0]
    for _ in range(50):
        assert not seen[27:].any()
        seen, reward, _, _, info = environment.step(np.ones(8))
        earned = info["reward_forward"] + info["reward_survive"] + info["reward_ctrl"]
        assert float(reward) == pytest.approx(earned)
    data = environment.unwrapped.data  # type: ignore[attr-defined]
    assert data.ncon > 0  # it stands on the floor


@pytest.mark.parametrize("robot", sorted(ROBOTS))
def test_dimensions_and_time_limit_are_those_of_the_task(robot: str) -> None:
    task = find_task(f"{robot}-random-v2")
    environment = make_environment(robot)
    assert environment.observation_space.shape == (task.observation_size,)
    assert environment.action_space.shape == (task.action_size,)
    assert environment.action_space.low.min() == -1.0  # type: ignore[attr-defined]
    assert environment.spec is not None
    assert environment.spec.max_episode_steps == task.episode_limit


@pytest.mark.parametrize(
    ("robot", "episodes", "expected", "tolerance"),
    [("hopper", 300, 18.6, 1.2), ("walker2d", 200, 2.7, 0.6), ("halfcheetah", 6, -283.0, 100.0)],
)
def test_uniform_random_returns(robot: str, episodes: int, expected: float, tolerance: float) -> None:
    """Measured before: hopper 18.6 +- 0.3, walker2d 2.7 +- 0.2, halfcheetah -286.5 +- 8.1 (standard errors)."""
    with BatchSimulator(locomotion.ROBOTS[robot](), threads=1) as simulator:
        actor = uniform_actor(simulator.robot.action_size, stream(0, "actions"))
        returns = episode_returns(roll_out(simulator, actor, stream(0, "starts").spawn(episodes), 1000))
    assert returns.mean() == pytest.approx(expected, abs=tolerance)


def test_making_an_environment_says_nothing_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Gymnasium calls v4 out of date, and MuJoCo complains about HalfCheetah's XML in a log file."""
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for robot in ROBOTS:
            make_environment(robot)
    assert capfd.readouterr() == ("", "")
    assert not list(tmp_path.iterdir())


def test_an_unknown_robot_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'hopper'"):
        make_environment("hoper")
