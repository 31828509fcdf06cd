"""Adroit: policies and demonstrations from files, the data they re-create, and returns against the facts.

The last tests need the public DAPG policies and door demonstrations; AMPL_ADROIT_FOLDER names the folder with
pen_dapg_policy.npz, door_dapg_policy.npz and door_human_demonstrations.npz.
"""

import os
import re
from pathlib import Path
from typing import Any

import gymnasium
import mujoco
import numpy as np
import pytest
import torch

from ampl.errors import InvalidArgumentError, InvalidFileError, UnknownNameError
from continuous.data.d4rl_file import read_d4rl, read_provenance, write_d4rl
from continuous.data.recipes import MakeOptions
from continuous.environments.adroit.environments import make_environment
from continuous.environments.adroit.models import IDENTIFIERS, make_raw_environment, restore_contacts
from continuous.environments.adroit.robots import make_robot
from continuous.environments.registry import simulator_maker
from continuous.evaluation.evaluator import Evaluator, uniform_policy
from continuous.recreate.adroit.policy import read_policy
from continuous.recreate.adroit.recipe import recipes
from continuous.tasks.find import find_task

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

FOLDER = os.environ.get("AMPL_ADROIT_FOLDER")
needs_files = pytest.mark.skipif(FOLDER is None, reason="AMPL_ADROIT_FOLDER is not set")


def policy_arrays(observation_size: int, action_size: int, scaled: bool = True) -> dict[str, Any]:
    """A random policy of the files' layout."""
    generator = np.random.default_rng(0)
    shapes = {"w0": (8, observation_size), "b0": (8,), "w1": (6, 8), "b1": (6,), "w2": (action_size, 6)}
    shapes |= {"b2": (action_size,), "log_std": (action_size,)}
    if scaled:
        shapes |= {"in_shift": (observation_size,), "in_scale": (observation_size,)}
        shapes |= {"out_shift": (action_size,), "out_scale": (action_size,)}
    return {name: generator.normal(0.0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}


def save(folder: Path, arrays: dict[str, Any]) -> Path:
    path = folder / "policy.npz"
    np.savez(path, **arrays)
    return path


def demonstration_arrays(robot_name: str, lengths: tuple[int, ...]) -> dict[str, Any]:
    robot, generator = make_robot(robot_name), np.random.default_rng(0)
    starts = [robot.start(generator) for _ in lengths]
    placements = np.split(
        np.stack([start.placement for start in starts]), np.cumsum(list(robot.placement_parts.values()))[:-1], axis=1
    )
    return {
        "actions": 1.2 * generator.uniform(-1.0, 1.0, (sum(lengths), robot.action_size)),
        "lengths": np.array(lengths),
        "init_qpos": np.stack([start.position for start in starts]),
        "init_qvel": np.stack([start.velocity for start in starts]),
    } | {f"init_{name}": part for name, part in zip(robot.placement_parts, placements, strict=True)}


def test_a_policy_computes_the_documented_formula(tmp_path: Path) -> None:
    arrays = policy_arrays(45, 24)
    policy = read_policy(save(tmp_path, arrays), 45, 24)
    observations = np.random.default_rng(1).normal(size=(5, 45)).astype(np.float32)
    hidden = np.tanh((observations - arrays["in_shift"]) / (arrays["in_scale"] + 1e-8) @ arrays["w0"].T + arrays["b0"])
    hidden = np.tanh(hidden @ arrays["w1"].T + arrays["b1"])
    expected = (hidden @ arrays["w2"].T + arrays["b2"]) * arrays["out_scale"] + arrays["out_shift"]
    np.testing.assert_allclose(policy.mean(torch.from_numpy(observations)).numpy(), expected, atol=2e-4)
    actions = policy.act(torch.from_numpy(observations)).numpy()
    np.testing.assert_allclose(actions, np.clip(expected, -1.0, 1.0), atol=2e-4)


def test_scalings_and_spreads_may_be_left_out(tmp_path: Path) -> None:
    arrays = policy_arrays(39, 28, scaled=False)
    assert read_policy(save(tmp_path, arrays), 39, 28).log_std is not None
    del arrays["log_std"]
    policy = read_policy(save(tmp_path, arrays), 39, 28)
    assert policy.log_std is None
    assert policy.arrays["in_scale"].tolist() == [1.0] * 39
    assert policy.mean(torch.zeros(2, 39)).shape == (2, 28)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"w1": None}, "lacks the array 'w1'"),
        ({"w0": np.zeros((8, 45))}, r"'w0' is \[8, 45\]; expected \[8, 39\]"),
        ({"b1": np.zeros(7)}, r"'b1' is \[7\]; expected \[6\]"),
        ({"w2": np.full((28, 6), np.nan)}, "'w2' holds something other than finite numbers"),
        ({"w0": np.zeros(3)}, "'w0' is"),
        ({"b2": np.array(["x"] * 28)}, "'b2' holds something other"),
        ({"w0": np.zeros((0, 39)), "b0": np.zeros(0), "w1": np.zeros((6, 0))}, "'w0' is"),
    ],
)
def test_bad_policy_files_get_one_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    arrays = {name: value for name, value in (policy_arrays(39, 28) | change).items() if value is not None}
    with pytest.raises(InvalidFileError, match=message) as caught:
        read_policy(save(tmp_path, arrays), 39, 28)
    assert "\n" not in str(caught.value)
    assert "policy.npz" in str(caught.value)


def test_policy_files_that_are_no_archives_get_one_line(tmp_path: Path) -> None:
    path = tmp_path / "policy.npz"
    for content in (b"", b"not an archive", save(tmp_path, policy_arrays(39, 28)).read_bytes()[:500]):
        path.write_bytes(content)
        with pytest.raises(InvalidFileError, match=re.escape(str(path))):
            read_policy(path, 39, 28)
    with pytest.raises(InvalidFileError, match="does not exist"):
        read_policy(tmp_path / "absent.npz", 39, 28)


@pytest.mark.parametrize("robot", ["pen", "door"])
def test_expert_data_follow_the_recipe(tmp_path: Path, robot: str) -> None:
    """Facts, section 7: mean action clipped, terminals from the environment, time-outs at the limit."""
    task = find_task(f"{robot}-expert-v1")
    path = save(tmp_path, policy_arrays(task.observation_size, task.action_size))
    options = MakeOptions(policy=path, steps=450, seed=3)
    data, provenance = recipes()[task.name].run(task.name, options)
    assert data.observations.shape == (450, task.observation_size)
    assert set(data.infos) >= {"qpos", "qvel", "action_mean", "action_log_std"}
    placement, width = {"pen": ("desired_orien", 4), "door": ("door_body_pos", 3)}[robot]
    assert data.infos[placement].shape == (450, width)
    np.testing.assert_array_equal(data.actions, np.clip(data.infos["action_mean"], -1.0, 1.0))
    policy = read_policy(path, task.observation_size, task.action_size)
    np.testing.assert_allclose(data.infos["action_mean"], policy.mean(torch.from_numpy(data.observations)), atol=1e-4)
    ends = np.flatnonzero(data.terminals | data.timeouts)
    lengths = np.diff(ends, prepend=-1)
    assert ends[-1] == 449
    assert not (data.terminals & data.timeouts).any()
    for end, length in zip(ends[:-1], lengths[:-1], strict=True):
        assert length == task.episode_limit if data.timeouts[end] else length <= task.episode_limit
    assert data.terminals.any() == (robot == "pen")
    assert data.metadata["algorithm"] == b"DAPG"
    assert data.metadata["policy/last_fc/weight"].shape == (task.action_size, 6)
    assert provenance.source == "re-created"
    write_d4rl(tmp_path / task.file_name, data, provenance)
    again = read_d4rl(tmp_path / task.file_name, task)
    np.testing.assert_array_equal(again.observations, data.observations)
    assert read_provenance(tmp_path / task.file_name) == provenance
    repeated, _ = recipes()[task.name].run(task.name, options)
    assert repeated.observations.tobytes() == data.observations.tobytes()


def test_rows_of_expert_data_are_steps_of_the_environment(tmp_path: Path) -> None:
    """From the stored state and placement, the stored action gives the stored reward and the next observation."""
    task = find_task("door-expert-v1")
    data, _ = recipes()[task.name].run(
        task.name, MakeOptions(policy=save(tmp_path, policy_arrays(39, 28)), steps=250, seed=0)
    )
    environment = make_environment("door")
    for row in (0, 200):
        names = ("qpos", "qvel", "door_body_pos")
        state = {name: data.infos[name][row].astype(np.float64) for name in names}
        observation, _ = environment.reset(options={"initial_state_dict": state})
        np.testing.assert_allclose(observation, data.observations[row], atol=1e-5)
        for step in range(5):
            observation, reward, *_ = environment.step(data.actions[row + step])
            assert reward == pytest.approx(data.rewards[row + step], abs=1e-4)
            np.testing.assert_allclose(observation, data.observations[row + step + 1], atol=1e-4)


@pytest.mark.parametrize("robot", ["pen", "door", "hammer", "relocate"])
def test_human_data_play_demonstrations_back(tmp_path: Path, robot: str) -> None:
    """Facts, section 7: clipped actions from the stored start; no terminals; a time-out ends each demonstration."""
    arrays = demonstration_arrays(robot, (30, 120, 7))
    path = tmp_path / "demonstrations.npz"
    np.savez(path, **arrays)
    data, provenance = recipes()[f"{robot}-human-v1"].run("human", MakeOptions(demonstrations=path))
    np.testing.assert_allclose(data.actions, np.clip(arrays["actions"], -1.0, 1.0), atol=1e-6)
    assert np.flatnonzero(data.timeouts).tolist() == [29, 149, 156]
    assert not data.terminals.any()
    keys = {"pen": {"desired_orien"}, "door": {"door_body_pos"}, "hammer": {"board_pos", "target_pos"}}
    keys |= {"relocate": {"hand_qpos", "obj_pos", "palm_pos", "target_pos"}}
    assert set(data.infos) == {"qpos", "qvel"} | keys[robot]
    np.testing.assert_allclose(data.infos["qpos"][[0, 30, 150]], arrays["init_qpos"], atol=1e-6)
    assert provenance.seed is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"init_door_body_pos": None}, "lacks the array 'init_door_body_pos'"),
        ({"lengths": np.array([2, 0])}, "'lengths'"),
        ({"lengths": np.array([2, 4])}, r"'actions' is \[5, 28\]; expected \[6, 28\]"),
        ({"init_qpos": np.zeros((2, 36))}, "'init_qpos'"),
        ({"actions": np.full((5, 28), np.inf)}, "'actions' holds"),
    ],
)
def test_bad_demonstration_files_get_one_line(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    arrays = demonstration_arrays("door", (2, 3)) | change
    path = tmp_path / "demonstrations.npz"
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    with pytest.raises(InvalidFileError, match=message) as caught:
        recipes()["door-human-v1"].run("door-human-v1", MakeOptions(demonstrations=path))
    assert "\n" not in str(caught.value)


def test_recipes_name_the_file_they_need() -> None:
    with pytest.raises(InvalidArgumentError, match="needs --policy FILE"):
        recipes()["pen-expert-v1"].run("pen-expert-v1", MakeOptions())
    with pytest.raises(InvalidArgumentError, match="needs --demonstrations FILE"):
        recipes()["door-human-v1"].run("door-human-v1", MakeOptions())
    assert recipes()["door-human-v1"].default_steps == 6729  # facts, section 1
    assert recipes()["door-expert-v1"].default_steps == 1_000_000
    assert recipes()["pen-expert-v1"].default_steps == 500_000


def test_an_unknown_robot_is_named() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'hammer'"):
        make_raw_environment("hamer")


@pytest.mark.parametrize("robot", ["pen", "door", "hammer", "relocate"])
def test_restored_margins_are_those_of_old_mujoco_for_every_pair_of_geoms(robot: str) -> None:
    """Facts, section 3: up to 3.4.0 the maximum of two geoms' margins (0.0005 here), from 3.5.0 on their sum."""
    make_raw_environment(robot)  # registers the ids
    model = gymnasium.make(IDENTIFIERS[robot]).unwrapped.model
    collides = (model.geom_contype[:, None] & model.geom_conaffinity) != 0
    collides |= collides.T
    np.fill_diagonal(collides, False)
    before = np.maximum.outer(model.geom_margin, model.geom_margin)
    restore_contacts(model)
    summed = tuple(int(part) for part in mujoco.__version__.split(".")[:2]) >= (3, 5)
    after = (np.add if summed else np.maximum).outer(model.geom_margin, model.geom_margin)
    np.testing.assert_allclose(after[collides], before[collides], rtol=1e-12)
    assert set(before[collides].round(9)) == {0.0005}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("robot", "mean", "error"),
    [("door", -56.64, 0.06), ("hammer", -275.8, 0.6), ("relocate", -6.0, 0.7), ("pen", 141.0, 31.0)],
)
def test_random_policies_earn_what_the_facts_measured(robot: str, mean: float, error: float) -> None:
    """Facts, section 3: a uniform random policy, with standard errors; rare lucky episodes widen our own error."""
    task = find_task(f"{robot}-expert-v1")
    with Evaluator(simulator_maker(task)(), episodes=400) as evaluator:
        returns = evaluator.evaluate([uniform_policy(task.action_size)], [0])[0].returns
    own_error = returns.std() / np.sqrt(len(returns))
    assert abs(returns.mean() - mean) < 3.0 * np.hypot(error, own_error)
    raw = {"door": -45.8, "hammer": -268.3, "relocate": 11.3}  # what the sign error makes of it
    assert robot == "pen" or abs(returns.mean() - raw[robot]) > 3.0 * own_error


@needs_files
@pytest.mark.parametrize(("robot", "mean", "spread"), [("pen", 3288.0, 1689.0), ("door", 3011.0, 22.0)])
def test_dapg_policies_earn_what_was_measured(robot: str, mean: float, spread: float) -> None:
    """Issue 3: pen 3288 +- 1689 a single episode, door 3011 +- 22, 30 episodes, stock contacts on MuJoCo 4.0."""
    task = find_task(f"{robot}-expert-v1")
    policy = read_policy(Path(FOLDER or "") / f"{robot}_dapg_policy.npz", task.observation_size, task.action_size)
    with Evaluator(simulator_maker(task)(), episodes=60) as evaluator:
        returns = evaluator.evaluate([lambda states, _: policy.act(torch.from_numpy(states)).numpy()], [0])[0].returns
    assert abs(returns.mean() - mean) < 3.0 * spread * np.sqrt(1 / 30 + 1 / 60)
    assert 0.5 * spread < returns.std() < 1.5 * spread


@needs_files
def test_door_human_has_the_published_size() -> None:
    """Facts, section 1: 6,729 steps, 25 demonstrations of 223 to 300 steps; 5.6 % of raw actions outside [-1, 1]."""
    path = Path(FOLDER or "") / "door_human_demonstrations.npz"
    raw = np.load(path)["actions"]
    assert np.mean(np.abs(raw) > 1.0) == pytest.approx(0.056, abs=0.001)
    data, _ = recipes()["door-human-v1"].run("door-human-v1", MakeOptions(demonstrations=path))
    lengths = np.diff(np.flatnonzero(data.timeouts), prepend=-1)
    assert (data.n_rows, len(lengths), lengths.min(), lengths.max()) == (6729, 25, 223, 300)
