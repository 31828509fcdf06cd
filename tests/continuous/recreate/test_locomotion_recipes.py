"""Re-created gym-mujoco datasets follow D4RL's recipe: keys, flags, states before the step, stitching, errors."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ampl.errors import InvalidFileError, InvalidShapeError
from continuous.algorithms.sac.policy import SquashedGaussian
from continuous.data.d4rl_file import D4RLData, read_d4rl, write_d4rl
from continuous.data.recipes import MakeOptions, all_recipes, find_recipe
from continuous.environments.batch import BatchSimulator
from continuous.environments.locomotion import robots as locomotion
from continuous.environments.locomotion.gymnasium import make_environment
from continuous.environments.locomotion.robots import Hopper
from continuous.networks.streams import SeedStreams
from continuous.recreate.locomotion import recipe
from continuous.recreate.locomotion.collection import episode_returns, policy_actor, roll_out, uniform_actor
from continuous.recreate.locomotion.levels import LEVEL_RETURNS, Level
from continuous.recreate.online_sac.policy_file import layers_of, load_policy, policy_of, save_policy
from continuous.tasks.find import find_task


def small_policy(seed: int, states: int = 11, actions: int = 3, hidden: int = 8) -> SquashedGaussian:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"fc0": (hidden, states), "fc1": (hidden, hidden), "last_fc": (actions, hidden)}
    shapes["last_fc_log_std"] = shapes["last_fc"]
    parameters = {f"{name}/weight": 0.3 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    return policy_of(parameters | {f"{name}/bias": torch.zeros(shape[0]) for name, shape in shapes.items()})


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with small policies in the place of the shipped ones."""
    for seed, level in enumerate(Level):
        save_policy(tmp_path / f"hopper-{level.value}.safetensors", small_policy(seed), {})
    monkeypatch.setattr(recipe, "WEIGHTS", tmp_path)
    return tmp_path


def make(task: str, **options: Any) -> D4RLData:
    return find_recipe(task).run(task, MakeOptions(**options))[0]


def keys_in_file(path: Path, task: str, data: D4RLData, provenance: Any) -> list[str]:
    write_d4rl(path, data, provenance)
    keys: list[str] = []
    with h5py.File(path) as file:
        file.visititems(lambda key, value: keys.append(key) if isinstance(value, h5py.Dataset) else None)
    read_d4rl(path, find_task(task))
    return keys


@pytest.mark.parametrize(
    ("task", "keys"), [("hopper-random-v2", 9), ("hopper-medium-v2", 21), ("hopper-medium-expert-v2", 9)]
)
def test_files_have_as_many_keys_as_the_published_ones(task: str, keys: int, weights: Path, tmp_path: Path) -> None:
    """D4RL v2: 21 keys in medium and expert files, 9 in random and medium-expert files."""
    data, provenance = find_recipe(task).run(task, MakeOptions(steps=60))
    assert len(keys_in_file(tmp_path / "data.hdf5", task, data, provenance)) == keys


def test_policy_weights_in_the_file_run_as_the_policy_that_collected(weights: Path) -> None:
    data = make("hopper-medium-v2", steps=200)
    metadata = data.metadata
    assert metadata["algorithm"] == "SAC"
    assert metadata["policy/fc0/weight"].shape == (8, 11)  # (out, in)
    parameters = {
        name.removeprefix("policy/"): torch.from_numpy(value)
        for name, value in metadata.items()
        if name.endswith(("weight", "bias"))
    }
    flowing = torch.from_numpy(data.observations)
    for layer in ("fc0", "fc1"):
        flowing = torch.relu(flowing @ parameters[f"{layer}/weight"].T + parameters[f"{layer}/bias"])
    mean = flowing @ parameters["last_fc/weight"].T + parameters["last_fc/bias"]
    log_std = flowing @ parameters["last_fc_log_std/weight"].T + parameters["last_fc_log_std/bias"]
    normal = torch.distributions.Normal(mean, log_std.exp())
    squashed = torch.distributions.TransformedDistribution(normal, torch.distributions.TanhTransform())
    log_densities = squashed.log_prob(torch.from_numpy(data.actions).clamp(-1 + 1e-6, 1 - 1e-6)).sum(1)
    inside = np.abs(data.actions).max(1) < 0.999  # beyond, inverting tanh in float32 is inexact
    np.testing.assert_allclose(data.infos["action_log_probs"][inside], log_densities.numpy()[inside], atol=2e-2)


def test_actions_are_sampled_also_by_the_expert(weights: Path) -> None:
    data = make("hopper-expert-v2", steps=100)
    policy, _ = load_policy(weights / "hopper-expert.safetensors")
    likeliest = policy.best_action(torch.from_numpy(data.observations)[None]).detach()[0].numpy()
    assert np.abs(data.actions - likeliest).max() > 0.1


def test_random_actions_are_uniform_with_their_stored_density() -> None:
    """D4RL: log-probability log(1 / prod(high - low)) = -A log 2."""
    data = make("hopper-random-v2", steps=3000)
    np.testing.assert_allclose(data.infos["action_log_probs"], -3 * np.log(2.0), rtol=1e-6)
    assert np.abs(data.actions.mean(0)).max() < 0.05
    assert data.actions.std() == pytest.approx(1 / np.sqrt(3), abs=0.02)


def test_stored_states_are_those_before_the_step_and_lead_to_the_next_observation() -> None:
    """D4RL's check of v2: the observation computed from (qpos, qvel) matches with squared error below 1e-8."""
    data = make("hopper-random-v2", steps=300)
    position, velocity = data.infos["qpos"], data.infos["qvel"]
    seen = np.concatenate([position[:, 1:], np.clip(velocity, -10, 10)], axis=1)
    assert np.square(seen - data.observations).sum(1).max() < 1e-8
    environment = make_environment("hopper")
    environment.reset(seed=0)
    body: Any = environment.unwrapped
    errors = []
    for row in range(40):
        body.data.qacc_warmstart[:] = 0
        body.set_state(position[row].astype(float), velocity[row].astype(float))
        following, *_ = environment.step(data.actions[row])
        errors.append(np.abs(following - data.next_observations[row]).max())  # type: ignore[index]
    assert np.median(errors) < 1e-4  # stored in float32


def test_episodes_are_whole_and_the_file_is_cut_at_the_number_of_rows(weights: Path) -> None:
    data = make("hopper-random-v2", steps=777)
    assert data.n_rows == 777
    ends = data.terminals | data.timeouts
    assert not (data.terminals & data.timeouts).any()
    inside = ~ends[:-1]
    np.testing.assert_array_equal(data.next_observations[:-1][inside], data.observations[1:][inside])  # type: ignore[index]
    at_ends = np.flatnonzero(ends[:-1])
    assert np.abs(data.infos["qpos"][at_ends + 1, 0]).max() <= 5e-3  # a new episode starts near x = 0


def test_a_fall_in_the_last_allowed_step_is_a_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """D4RL's script sets the terminal flag only if the episode ended before the limit."""
    monkeypatch.setattr("continuous.recreate.locomotion.collection.EPISODE_LIMIT", 5)
    monkeypatch.setattr(Hopper, "terminated", lambda self, snapshot: np.abs(snapshot.position[:, 0]) < np.inf)
    data = make("hopper-random-v2", steps=7)
    assert data.terminals.all()  # every episode ends in its first step
    steps = iter(range(10**6))
    monkeypatch.setattr(Hopper, "terminated", lambda self, snapshot: np.full(len(snapshot.position), next(steps) == 4))
    with BatchSimulator(Hopper(), threads=1) as simulator:
        starts = np.random.default_rng(0).spawn(1)
        (raw,) = roll_out(simulator, uniform_actor(3, np.random.default_rng(1)), starts, 5)
    assert raw["terminals"][-1]
    assert not raw["timeouts"][-1]
    steps = iter(range(10**6))
    data = make("hopper-random-v2", steps=5)
    assert not data.terminals.any()
    assert data.timeouts.tolist() == [False] * 4 + [True]


def test_medium_expert_is_complete_medium_episodes_then_expert(weights: Path) -> None:
    """D4RL's stitching rule: medium cut after its last complete episode, then the expert file; arrays only."""
    stitched = make("hopper-medium-expert-v2", steps=401, seed=2)
    medium, expert = make("hopper-medium-v2", steps=200, seed=2), make("hopper-expert-v2", steps=201, seed=2)
    cut = int(np.flatnonzero(medium.terminals | medium.timeouts)[-1]) + 1
    assert 0 < cut < 200
    assert stitched.n_rows == cut + 201
    for name in ("observations", "actions", "rewards", "terminals", "timeouts", "next_observations"):
        parts = [getattr(medium, name)[:cut], getattr(expert, name)]
        np.testing.assert_array_equal(getattr(stitched, name), np.concatenate(parts))
    assert set(stitched.infos) == {"qpos", "qvel", "action_log_probs"}
    assert not stitched.metadata


def test_the_same_seed_gives_the_same_data_and_another_seed_others(weights: Path) -> None:
    first, again, other = (make("hopper-medium-v2", steps=150, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.observations, again.observations)
    np.testing.assert_array_equal(first.infos["action_log_probs"], again.infos["action_log_probs"])
    assert not np.array_equal(first.observations, other.observations)


def test_the_number_of_threads_does_not_change_the_data() -> None:
    def rows(threads: int) -> Any:
        with BatchSimulator(Hopper(), threads=threads) as simulator:
            starts = np.random.default_rng(0).spawn(7)
            return roll_out(simulator, uniform_actor(3, np.random.default_rng(1)), starts, 1000)

    for one, three in zip(rows(1), rows(3), strict=True):
        np.testing.assert_array_equal(one["next_observations"], three["next_observations"])


def test_collected_episodes_equal_gymnasiums_environment_step_for_step() -> None:
    with BatchSimulator(Hopper(), threads=2) as simulator:
        starts = [np.random.Generator(np.random.PCG64(seed)) for seed in range(5)]
        episodes = roll_out(simulator, uniform_actor(3, np.random.default_rng(1)), starts, 1000)
    environment = make_environment("hopper")
    for seed, episode in enumerate(episodes):
        environment.unwrapped.np_random = np.random.Generator(np.random.PCG64(seed))
        observation, _ = environment.reset()
        for row in range(len(episode["rewards"])):
            np.testing.assert_array_equal(observation, episode["observations"][row])
            observation, reward, terminated, _, _ = environment.step(episode["actions"][row].astype(np.float64))
            assert reward == episode["rewards"][row]
            assert terminated == episode["terminals"][row]
            np.testing.assert_array_equal(observation, episode["next_observations"][row])


def test_level_returns_are_those_of_the_published_files() -> None:
    medium = {robot: levels[Level.MEDIUM] for robot, levels in LEVEL_RETURNS.items()}
    expert = {robot: levels[Level.EXPERT] for robot, levels in LEVEL_RETURNS.items()}
    assert medium == {"hopper": 1422.06, "halfcheetah": 4770.33, "walker2d": 2852.09}
    assert expert == {"hopper": 3511.36, "halfcheetah": 10656.43, "walker2d": 4920.51}


def test_a_missing_policy_names_the_command_that_trains_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(recipe, "WEIGHTS", tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidFileError, match="walker2d --seed 0 --until expert`, which takes up to about 2 hours"):
        make("walker2d-expert-v2", steps=10)


def test_a_policy_of_another_robot_is_refused(weights: Path) -> None:
    with pytest.raises(InvalidFileError, match="maps 11 observations to 3 actions; walker2d has 17 and 6"):
        make("walker2d-medium-v2", steps=10, policy=weights / "hopper-medium.safetensors")


@pytest.mark.parametrize("content", [b"", b"not safetensors", b'\x08\0\0\0\0\0\0\0{"a": 1}'])
def test_a_damaged_policy_file_is_one_line(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "policy.safetensors"
    path.write_bytes(content)
    with pytest.raises(InvalidFileError, match="cannot be read as a policy"):
        load_policy(path)


def test_layers_that_do_not_fit_are_refused() -> None:
    parameters = layers_of(small_policy(0))
    parameters["fc1/weight"] = torch.zeros(8, 5)
    with pytest.raises(InvalidShapeError, match="fc1 has weight"):
        policy_of(parameters)


def test_a_clean_clone_needs_training_for_what_is_not_shipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    needs = {name: each.needs for name, each in all_recipes().items() if name.startswith(("hopper", "halfcheetah-j"))}
    assert needs == {
        "hopper-random-v2": "",
        "hopper-medium-v2": "",
        "hopper-expert-v2": "--policy or train-behavior hopper",
        "hopper-medium-expert-v2": "train-behavior hopper",  # one --policy would not do
        "hopper-medium-replay-v2": "--policy or train-behavior hopper",
        "hopper-full-replay-v2": "--policy or train-behavior hopper",
        "halfcheetah-jump": "--policy or train-behavior halfcheetah-jump",
    }
    monkeypatch.setattr(recipe, "WEIGHTS", tmp_path)
    assert find_recipe("hopper-medium-v2").needs == "--policy or train-behavior hopper"


def test_replay_data_without_training_name_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for task, words in (
        ("hopper-medium-replay-v2", "hopper --seed 3 --until medium` first, which takes about 10 minutes"),
        ("hopper-full-replay-v2", "hopper --seed 3` first, which takes about 2 hours"),
    ):
        with pytest.raises(InvalidFileError, match=f"run `ampl data train-behavior {words}, or name its folder"):
            make(task, seed=3)


def test_every_shipped_policy_fits_its_task_and_says_how_it_was_made() -> None:
    shipped = sorted(recipe.WEIGHTS.glob("*.safetensors"))
    assert {path.name for path in shipped} >= {f"{robot}-medium.safetensors" for robot in LEVEL_RETURNS}
    for path in shipped:
        robot, _, level = path.stem.partition("-")
        policy, about = load_policy(path)
        task = find_task(f"{robot}-{level}-v2")
        assert (policy.observation_size, policy.action_size) == (task.observation_size, task.action_size)
        assert about["reached"]
        assert abs(about["evaluation"]["return_mean"] / LEVEL_RETURNS[robot][Level(level)] - 1) <= 0.05
        assert about["command"].startswith(f"ampl data train-behavior {robot}")


def test_shipped_policies_act_as_their_layers_say() -> None:
    """Both ways to act, by PyTorch and by numpy, against D4RL's formula in double precision, and no layer changes.

    Actions to 1e-6 on average and 1e-5 everywhere: single precision rounds by that much.
    """
    for path in recipe.WEIGHTS.glob("*.safetensors"):
        policy, _ = load_policy(path)
        layers = load_file(path)
        assert all(torch.equal(layer, layers[name]) for name, layer in layers_of(policy).items())
        states = np.random.default_rng(1).standard_normal((200, policy.observation_size)).astype(np.float32)
        noise = SeedStreams([0], "noise").normal(200, policy.action_size)[0].numpy()
        actions, log_densities = policy_actor(policy, SeedStreams([0], "noise"))(states)
        expected, density = by_formula(layers, states, noise)
        assert_close(actions, expected)
        np.testing.assert_allclose(log_densities, density, atol=1e-4)
        drawn = np.random.default_rng(2).standard_normal(noise.shape, dtype=np.float32)
        assert_close(
            policy.sampling_snapshot(0)(states, np.random.default_rng(2)), by_formula(layers, states, drawn)[0]
        )


def assert_close(actions: Any, expected: Any) -> None:
    assert np.abs(actions - expected).mean() < 1e-6
    np.testing.assert_allclose(actions, expected, atol=1e-5, rtol=0.0)


def by_formula(parameters: dict[str, torch.Tensor], states: Any, noise: Any) -> tuple[Any, Any]:
    """Actions and log densities of D4RL's squashed Gaussian, in double precision."""
    layers: dict[str, Any] = {name: tensor.double().numpy() for name, tensor in parameters.items()}
    flowing = states.astype(np.float64)
    for name in ("fc0", "fc1"):
        flowing = np.maximum(flowing @ layers[f"{name}/weight"].T + layers[f"{name}/bias"], 0.0)
    mean, log_std = (flowing @ layers[f"{n}/weight"].T + layers[f"{n}/bias"] for n in ("last_fc", "last_fc_log_std"))
    log_std = log_std.clip(-20.0, 2.0)
    raw = mean + np.exp(log_std) * noise
    normal = -0.5 * np.square(noise) - log_std - 0.5 * np.log(2.0 * np.pi)
    return np.tanh(raw), (normal + 2.0 * np.log(np.cosh(raw))).sum(axis=1)  # 1 - tanh^2 = 1 / cosh^2


@pytest.mark.slow
@pytest.mark.parametrize(("robot", "tolerance"), [("hopper", 0.15), ("halfcheetah", 0.08), ("walker2d", 0.25)])
def test_shipped_medium_policies_earn_about_what_the_published_medium_data_do(robot: str, tolerance: float) -> None:
    """Published mean returns: hopper 1422, halfcheetah 4770, walker2d 2852; the tolerance covers twenty episodes."""
    policy, _ = load_policy(recipe.WEIGHTS / f"{robot}-medium.safetensors")
    with BatchSimulator(locomotion.ROBOTS[robot](), threads=1) as simulator:
        starts = np.random.default_rng(0).spawn(20)
        episodes = roll_out(simulator, policy_actor(policy, SeedStreams([0], "actions")), starts, 1000)
    assert episode_returns(episodes).mean() == pytest.approx(LEVEL_RETURNS[robot][Level.MEDIUM], rel=tolerance)
