"""Termination rules: the edges the facts state, and agreement with the simulators on simulator states."""

from typing import Any

import numpy as np
import pytest
import torch

from ampl.errors import UnknownNameError
from continuous.environments.adroit.models import make_raw_environment
from continuous.environments.locomotion.gymnasium import make_environment
from continuous.tasks.find import find_task
from continuous.tasks.registry import TASKS
from continuous.tasks.termination import TERMINATIONS, find_termination, robot_termination

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

INF, NAN = float("inf"), float("nan")


def ends(robot: str, **entries: float) -> bool:
    """Whether a healthy state with these entries changed, given as o0=..., is terminal."""
    heights = {"hopper": 1.25, "walker2d": 1.25, "ant": 0.75, "humanoid": 1.4}
    sizes = {"hopper": 11, "walker2d": 17, "ant": 27, "humanoid": 45, "halfcheetah": 17}
    state = torch.zeros(2, sizes.get(robot, 46))
    state[:, 0] = heights.get(robot, 0.0)
    for name, value in entries.items():
        state[1, int(name[1:])] = value
    healthy, changed = robot_termination(robot)(state).tolist()
    assert healthy == (robot == "pen" and "o26" in entries)  # height 0 means a dropped pen
    return bool(changed)


def test_hopper_ends_at_height_0_7_angle_0_2_and_entries_of_100() -> None:
    """Facts, section 4: not (all finite, |state after height| < 100, height > 0.7, |angle| < 0.2)."""
    assert [ends("hopper", o0=height) for height in (0.71, 0.7, 0.5, INF, NAN)] == [False, True, True, True, True]
    assert [ends("hopper", o1=angle) for angle in (-0.2, -0.19, 0.19, 0.2, NAN)] == [True, False, False, True, True]
    assert [ends("hopper", o10=speed) for speed in (-101, -99, 99, 100, -INF, NAN)] == [True, False, False, *[True] * 3]


def test_walker2d_ends_strictly_outside_its_ranges() -> None:
    """Facts, section 4: not (0.8 < height < 2.0 and -1 < angle < 1)."""
    assert [ends("walker2d", o0=height) for height in (0.8, 0.81, 1.99, 2.0, NAN)] == [True, False, False, True, True]
    assert [ends("walker2d", o1=angle) for angle in (-1.0, -0.99, 0.99, 1.0)] == [True, False, False, True]
    assert not ends("walker2d", o16=1e6)


def test_ant_ends_outside_a_closed_range_or_when_not_finite() -> None:
    """Facts, section 4: not (all finite and 0.2 <= height <= 1.0), inclusive."""
    assert [ends("ant", o0=height) for height in (0.199, 0.2, 1.0, 1.001)] == [True, False, False, True]
    assert [ends("ant", o20=value) for value in (1e30, INF, NAN)] == [False, True, True]


def test_humanoid_and_pen_end_by_height() -> None:
    """Facts, section 4: humanoid o[0] < 1 or > 2; pen o[26] < 0.075."""
    assert [ends("humanoid", o0=height) for height in (0.99, 1.0, 2.0, 2.01)] == [True, False, False, True]
    assert [ends("pen", o26=height) for height in (0.0749, 0.0751)] == [True, False]


@pytest.mark.parametrize("robot", ["halfcheetah", "door", "hammer", "relocate"])
def test_these_robots_never_end(robot: str) -> None:
    """Facts, section 4."""
    state = torch.full((3, 46), NAN)
    state[1:] = torch.tensor([[1e9], [-1e9]])
    assert not robot_termination(robot)(state).any()


def states_of(environment: Any, count: int, generator: np.random.Generator) -> list[tuple[Any, bool]]:
    """Random simulator states around the default pose: observations without clipping, and the simulator's verdict."""
    simulator, found = environment.unwrapped, []
    for _ in range(count):
        position = simulator.init_qpos + generator.normal(0.0, 0.25, simulator.model.nq)
        velocity = generator.normal(0.0, 1.0, simulator.model.nv) * generator.choice([1.0, 50.0])
        simulator.set_state(position, velocity)
        hidden = 2 if simulator.model.nq == 15 else 1  # of ant and the others
        verdict = bool(getattr(simulator, "terminated", False))
        found.append((np.concatenate([simulator.data.qpos[hidden:], simulator.data.qvel]), verdict))
    return found


@pytest.mark.parametrize("robot", ["hopper", "walker2d", "ant", "halfcheetah"])
def test_rules_agree_with_the_simulators_on_simulator_states(robot: str) -> None:
    cases = states_of(make_environment(robot), 500, np.random.default_rng(0))
    states, verdicts = np.array([state for state, _ in cases]), [verdict for _, verdict in cases]
    assert robot_termination(robot)(torch.from_numpy(states)).tolist() == verdicts
    assert robot_termination(robot)(states).tolist() == verdicts  # numpy and torch alike
    assert len(set(verdicts)) == (1 if robot == "halfcheetah" else 2)


def test_the_pens_rule_reads_the_height_of_its_body() -> None:
    """Facts: gymnasium-robotics computes the height for its penalty of 5, at which D4RL ends the episode."""
    environment, generator = make_raw_environment("pen"), np.random.default_rng(0)
    environment.reset(seed=0)
    verdicts = []
    for _ in range(200):
        observation, *_ = environment.step(generator.uniform(-1.0, 1.0, 24))
        height = environment.data.xpos[environment.obj_body_id][2]
        verdicts.append(bool(robot_termination("pen")(torch.from_numpy(observation))))
        assert verdicts[-1] == (height < 0.075)
    assert set(verdicts) == {False, True}


def test_every_task_has_a_rule_and_rules_keep_leading_axes() -> None:
    for task in TASKS.values():
        flags = find_termination(task)(torch.zeros(2, 3, task.observation_size))
        assert flags.shape == (2, 3)
        assert flags.dtype == torch.bool
    assert not find_termination(find_task("maze2d-large-v1"))(torch.zeros(5, 4)).any()
    assert set(TERMINATIONS) >= {task.robot for task in TASKS.values() if "maze2d" not in task.name}


def test_an_unknown_robot_is_named() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'hopper'"):
        robot_termination("hoper")
