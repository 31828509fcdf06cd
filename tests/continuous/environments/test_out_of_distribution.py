"""MOPO's out-of-distribution tasks: relabelled buffers carry the rewards that the evaluation environments pay."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ampl.errors import InvalidArgumentError, InvalidShapeError, UnknownNameError
from continuous.data.d4rl_data import D4RLData
from continuous.environments.batch import BatchSimulator
from continuous.environments.locomotion.gymnasium import make_environment
from continuous.environments.locomotion.out_of_distribution import (
    JUMP,
    NAMES,
    JumpingHalfCheetah,
    make_robot,
    make_training_robot,
)
from continuous.environments.locomotion.robots import Ant, HalfCheetah
from continuous.environments.robot import Floats, Robot
from continuous.environments.robot_environment import make_robot_environment
from continuous.recreate.relabelled.relabel import relabel

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def collect(original: Robot, target: Robot, steps: int = 100) -> tuple[D4RLData, Floats]:
    """Four episodes of the original task, and what the target task pays for the same steps."""
    episodes, generator = 4, np.random.default_rng(0)
    columns: dict[str, list[Any]] = {
        name: [] for name in ("observations", "actions", "rewards", "next", "qpos", "paid")
    }
    with BatchSimulator(original, threads=1, endless=True) as simulator:
        observations = simulator.reset([np.random.default_rng(seed) for seed in range(episodes)])
        for _ in range(steps):
            actions = np.clip(generator.normal(0.0, 0.7, (episodes, original.action_size)), -1.0, 1.0)
            before = simulator.snapshot
            step = simulator.step(actions)
            paid = target.reward(before, simulator.snapshot, actions)
            row = (observations, actions, step.rewards, step.observations, before.position, paid)
            for name, values in zip(columns, row, strict=True):
                columns[name].append(values)
            observations = step.observations
    rows = {name: np.stack(values, axis=1).reshape(episodes * steps, -1) for name, values in columns.items()}
    single = {name: values.astype(np.float32) for name, values in rows.items()}
    flags = np.zeros(episodes * steps, dtype=bool)
    data = D4RLData(
        observations=single["observations"],
        actions=single["actions"],
        rewards=single["rewards"][:, 0],
        terminals=flags,
        timeouts=(np.arange(episodes * steps) + 1) % steps == 0,
        next_observations=single["next"],
        infos={"qpos": single["qpos"]},
    )
    return data, rows["paid"][:, 0]


@pytest.mark.parametrize("original", [HalfCheetah, lambda: JumpingHalfCheetah(height_weight=0.0)])
def test_jump_labels_equal_what_the_evaluation_environment_pays(original: Any) -> None:
    """MOPO A5: min{v_x, 3} - 0.1 |a|^2 + 15 (z - z_init), from plain or capped running rewards alike."""
    data, paid = collect(original(), make_robot("halfcheetah-jump"))
    np.testing.assert_allclose(relabel("halfcheetah-jump", data).rewards, paid, atol=1e-4)


def test_jump_pays_no_more_for_speeds_above_three_meters_a_second() -> None:
    """The choice min, not the printed max: a sprint at 10 m/s earns what one at 3 m/s earns."""
    data, _ = collect(HalfCheetah(), HalfCheetah(), steps=2)
    assert data.next_observations is not None
    still = replace(data, actions=np.zeros_like(data.actions), next_observations=np.zeros_like(data.next_observations))
    for speed, paid in ((10.0, 3.0), (3.0, 3.0), (1.0, 1.0), (-2.0, -2.0)):
        labelled = relabel("halfcheetah-jump", replace(still, rewards=np.full(8, speed, dtype=np.float32)))
        np.testing.assert_allclose(labelled.rewards, paid, rtol=1e-6)


@pytest.mark.parametrize("angle", [30, 45, 60, 90])
def test_angle_labels_equal_what_the_evaluation_environment_pays(angle: int) -> None:
    """Up to the substep by which the simulator's torso lags behind its state; looser at the end of an episode."""
    name = f"ant-angle-{angle}"
    data, paid = collect(Ant(), make_robot(name))
    labelled = relabel(name, data)
    assert labelled.observations.shape[1] == 27
    assert labelled.next_observations is not None
    inside = ~data.timeouts
    np.testing.assert_array_equal(labelled.next_observations[:-1][inside[:-1]], labelled.observations[1:][inside[:-1]])
    error = np.abs(labelled.rewards - paid)
    assert error[inside].mean() < 0.01
    assert error[inside].max() < 0.2
    assert error[~inside].max() < 0.5
    assert np.abs(paid - data.rewards).mean() > 0.2  # what the labels change


def test_the_training_environment_pays_capped_running_and_no_height() -> None:
    environment = make_robot_environment(make_environment("halfcheetah"), make_training_robot(JUMP))
    environment.reset(seed=0)
    action = np.full(6, 0.5)
    _, reward, *_, info = environment.step(action)
    assert reward == pytest.approx(min(info["x_velocity"], 3.0) - 0.1 * np.square(action).sum())


def test_missing_arrays_and_other_robots_are_named() -> None:
    data, _ = collect(Ant(), Ant(), steps=2)
    with pytest.raises(InvalidArgumentError, match="'infos/qpos'"):
        relabel("ant-angle-30", replace(data, infos={}))
    with pytest.raises(InvalidArgumentError, match="'next_observations'"):
        relabel("halfcheetah-jump", replace(data, next_observations=None))
    with pytest.raises(InvalidShapeError, match="halfcheetah has 17 and 6"):
        relabel("halfcheetah-jump", data)
    with pytest.raises(UnknownNameError, match="ant-angle-30"):
        relabel("ant-angle-31", data)
    with pytest.raises(UnknownNameError, match="out-of-distribution task"):
        make_robot("ant")
    assert len(NAMES) == 5
