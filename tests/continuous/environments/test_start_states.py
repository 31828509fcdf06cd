"""Start states are what the simulator gives at a reset."""

import numpy as np
import pytest

from ampl.randomness import stream
from continuous.environments.batch import BatchSimulator
from continuous.environments.registry import robot_for
from continuous.environments.start_states import reset_states
from continuous.tasks.find import find_task


def test_start_states_are_resets_of_the_simulator_and_the_same_every_time() -> None:
    robot = robot_for(find_task("hopper-medium-v2"))
    states = reset_states(robot, 300)
    assert states.shape == (300, robot.observation_size)
    assert np.array_equal(states, reset_states(robot, 300))
    assert abs(states[:, 0].mean() - 1.25) < 1e-3  # Hopper starts 1.25 m high, give or take 5 mm
    assert 0.0 < states[:, 0].std() < 5e-3
    assert len(np.unique(states, axis=0)) == 300


@pytest.mark.parametrize("name", ["hopper-medium-v2", "walker2d-medium-v2", "halfcheetah-medium-v2", "maze2d-umaze-v1"])
def test_start_states_are_those_of_the_simulator_bit_for_bit(name: str) -> None:
    robot = robot_for(find_task(name))
    generator = stream(0, "start states")
    with BatchSimulator(robot, threads=1) as simulator:
        expected = simulator.begin([robot.start(generator) for _ in range(50)]).astype(np.float32)
    assert np.array_equal(reset_states(robot, 50), expected)
