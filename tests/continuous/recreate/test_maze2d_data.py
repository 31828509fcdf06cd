"""Re-created maze data: keys, oddities, rewards and statistics of the published files (d4rl.md, sections 1, 5, 9)."""

from dataclasses import replace
from pathlib import Path

import mujoco
import numpy as np
import pytest

from ampl.errors import InvalidArgumentError
from continuous.data.d4rl_data import D4RLData, Source
from continuous.data.d4rl_file import read_d4rl, read_provenance, write_d4rl
from continuous.data.recipes import MakeOptions
from continuous.environments.maze2d.environment import Maze2DEnvironment
from continuous.environments.maze2d.layouts import LAYOUTS, find_layout
from continuous.environments.maze2d.point_mass import PointMass
from continuous.environments.maze2d.rewards import Reward
from continuous.recreate.maze2d.collection import CollectionConfig, Trajectory, collect
from continuous.recreate.maze2d.recipe import recipes
from continuous.tasks.registry import TASKS

# 20,000 rows, noise on or off: targets reached, mean segment, cells visited, sparse mean.
# 300,000 rows, noise on: mean, median, longest segment; sparse and dense mean; fraction of saturated action entries.
# Spreads over 16 seeds of this code in 20,000 rows: targets reached, mean segment, sparse and dense mean.
FACTS_20K = {"umaze": (254, 78.5, 7, 0.095), "medium": (113, 176.5, 26, 0.034), "large": (85, 235.0, 45, 0.015)}
FACTS_20K_QUIET = {
    "umaze": (277, 72.1, 7, 0.084),
    "medium": (122, 163.2, 26, 0.033),
    "large": (90, 222.1, 45, 0.014),
}
FACTS_300K = {
    "umaze": (80.0, 76, 214, 0.0780, 0.2045, 0.31),
    "medium": (169.2, 172, 387, 0.0216, 0.0637, 0.33),
    "large": (242.1, 234, 583, 0.0081, 0.0334, 0.32),
}
SPREAD_20K = {
    "umaze": (8.6, 2.4, 0.0097, 0.0100),
    "medium": (5.4, 7.4, 0.0073, 0.0102),
    "large": (4.6, 13.8, 0.0043, 0.0100),
}
DIFFERENCE = 3.0 * 2.0**0.5  # three standard errors of the difference of two runs


def make(task: str, **options: object) -> D4RLData:
    return recipes()[task].run(task, MakeOptions(**options))[0]  # type: ignore[arg-type]


def run(maze: str, steps: int, **options: float) -> Trajectory:
    return collect(replace(CollectionConfig(layout=find_layout(maze), steps=steps), **options))


def segments(trajectory: Trajectory) -> np.ndarray:
    """Lengths of complete segments."""
    return np.diff(np.flatnonzero(trajectory.arrivals), prepend=-1)


def test_recipes_cover_the_six_tasks_at_their_published_sizes() -> None:
    sizes = {"umaze": 1_000_000, "medium": 2_000_000, "large": 4_000_000}
    expected = {f"maze2d-{maze}{reward}-v1": size for maze, size in sizes.items() for reward in ("", "-dense")}
    assert {name: recipe.default_steps for name, recipe in recipes().items()} == expected


def test_a_made_file_has_the_eight_keys_and_types_of_the_published_one(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    data, provenance = recipes()["maze2d-umaze-v1"].run("maze2d-umaze-v1", MakeOptions(steps=500, seed=3))
    path = tmp_path / "maze2d-umaze-sparse-v1.hdf5"
    write_d4rl(path, data, provenance)
    with h5py.File(path) as file:
        found: dict[str, tuple[str, tuple[int, ...]]] = {}
        file.visititems(
            lambda name, item: found.update({name: (str(item.dtype), item.shape)}) if hasattr(item, "dtype") else None
        )
    two, four = ("float32", (500, 2)), ("float32", (500, 4))
    assert found == {
        "observations": four,
        "actions": two,
        "rewards": ("float32", (500,)),
        "terminals": ("bool", (500,)),
        "timeouts": ("bool", (500,)),
        "infos/goal": two,
        "infos/qpos": two,
        "infos/qvel": two,
    }
    assert not read_d4rl(path, TASKS["maze2d-umaze-v1"]).terminals.any()
    note = read_provenance(path)
    assert note is not None
    assert (note.source, note.seed, note.noise, note.steps) == (Source.RE_CREATED, 3, 0.5, 500)
    assert note.mujoco_version == mujoco.__version__


def test_the_same_seed_makes_the_same_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("first", "second", "other")]
    for path, seed in zip(paths, (1, 1, 2), strict=True):
        write_d4rl(path, *recipes()["maze2d-medium-v1"].run("maze2d-medium-v1", MakeOptions(steps=2_000, seed=seed)))
    first, second, other = (path.read_bytes() for path in paths)
    assert first == second
    assert first != other


def test_a_longer_run_begins_with_the_shorter_one() -> None:
    short, long = run("large", 700), run("large", 15_000)
    for name in ("observations", "actions", "arrivals", "targets", "positions"):
        assert np.array_equal(getattr(long, name)[:700], getattr(short, name))


def test_rows_after_an_arrival_repeat_the_observation_though_the_ball_has_moved() -> None:
    """D4RL issue 204; `infos/qpos` shows the real position."""
    data = make("maze2d-umaze-v1", steps=5_000)
    last = np.flatnonzero(data.timeouts[:-1])
    state = np.concatenate([data.infos["qpos"], data.infos["qvel"]], axis=1)
    assert np.array_equal(data.observations[last + 1], data.observations[last])
    assert (data.observations[last + 1] != state[last + 1]).any(axis=1).mean() > 0.9
    others = np.setdiff1d(np.arange(5_000), last + 1)
    assert np.array_equal(data.observations[others], state[others])


def test_the_target_changes_after_an_arrival_and_may_be_in_the_same_cell() -> None:
    data = make("maze2d-umaze-v1", steps=20_000)
    goal, last = data.infos["goal"], np.flatnonzero(data.timeouts[:-1])
    changes = np.flatnonzero((goal[1:] != goal[:-1]).any(axis=1))
    assert np.array_equal(changes, last)
    one_row = (np.diff(last) == 1).mean()
    assert one_row == pytest.approx(1 / 7, abs=0.07)  # the chance of drawing the same cell again


def test_skipping_repeated_rows_leaves_true_single_steps() -> None:
    data = make("maze2d-umaze-v1", steps=3_000, skip_repeated_rows=True)
    assert data.n_rows == 3_000
    state = np.concatenate([data.infos["qpos"], data.infos["qvel"]], axis=1)
    assert np.array_equal(data.observations, state)
    ball = PointMass(find_layout("umaze"))
    for row in np.flatnonzero(~data.timeouts[:-1])[:1_000]:
        ball.place(data.observations[row].astype(np.float64))
        after = ball.step(*data.actions[row].tolist())
        np.testing.assert_allclose(data.observations[row + 1], after, atol=1e-4)


def test_skipping_rows_keeps_the_motion_and_counts_every_simulated_step() -> None:
    trajectory = run("umaze", 4_000, skip_repeated_rows=True)
    whole = run("umaze", trajectory.simulated_steps)
    kept = ~np.concatenate([[False], whole.arrivals[:-1]])
    assert kept.sum() == 4_000
    assert np.array_equal(whole.positions[kept], trajectory.positions)


@pytest.mark.parametrize("task", ["maze2d-umaze-v1", "maze2d-umaze-dense-v1"])
def test_file_rewards_pay_the_stored_observation_one_step_behind_the_environment(task: str) -> None:
    """D4RL issue 194: in the file r_t belongs to s_t, in the environment to s_{t+1}."""
    published = make(task, steps=6_000, seed=5)
    environment = make(task, steps=6_000, seed=5, reward_of_next_state=True)
    reward = Reward(TASKS[task].dataset)
    assert np.array_equal(published.rewards, reward.at(published.observations[:, :2], (1, 1)).astype(np.float32))
    within = np.flatnonzero(~published.timeouts[:-1])
    assert np.array_equal(environment.rewards[within], published.rewards[within + 1])
    assert not np.array_equal(environment.rewards, published.rewards)
    assert np.array_equal(environment.observations, published.observations)


def test_rewards_of_next_states_are_the_environment_s() -> None:
    data = make("maze2d-medium-dense-v1", steps=300, reward_of_next_state=True)
    environment = Maze2DEnvironment("medium", Reward.DENSE)
    for row in range(300):
        state = np.concatenate([data.infos["qpos"][row], data.infos["qvel"][row]])
        environment.reset(options={"state": state})
        assert environment.step(data.actions[row])[1] == pytest.approx(data.rewards[row], rel=1e-5)


def test_without_noise_the_controller_s_own_actions_are_stored() -> None:
    quiet, noisy = run("umaze", 3_000, noise=0.0), run("umaze", 3_000)
    assert (np.abs(quiet.actions) == 1.0).mean() == pytest.approx(0.48, abs=0.03)
    assert (np.abs(noisy.actions) == 1.0).mean() == pytest.approx(0.31, abs=0.03)


@pytest.mark.parametrize("maze", ["umaze", "medium", "large"])
@pytest.mark.parametrize("noise", [0.5, 0.0])
def test_20000_rows_have_the_statistics_of_the_facts(maze: str, noise: float) -> None:
    """Within three standard errors of the difference; the facts' numbers are one run's, too."""
    targets, length, cells, sparse = (FACTS_20K if noise else FACTS_20K_QUIET)[maze]
    trajectory, layout = run(maze, 20_000, noise=noise), find_layout(maze)
    targets_band, length_band, sparse_band, _ = (DIFFERENCE * spread for spread in SPREAD_20K[maze])
    assert trajectory.arrivals.sum() == pytest.approx(targets, abs=targets_band)
    assert segments(trajectory).mean() == pytest.approx(length, abs=length_band)
    positions = trajectory.observations[:, :2]
    assert Reward.SPARSE.at(positions, layout.goal).mean() == pytest.approx(sparse, abs=sparse_band)
    visited = {tuple(cell) for cell in np.rint(positions).astype(int).tolist()} & set(layout.free_cells)
    assert len(visited) >= cells
    assert segments(trajectory).max() < layout.episode_limit  # no target was given up
    assert np.abs(trajectory.velocities).max() < 5.2263


@pytest.mark.parametrize("maze", ["umaze", "medium", "large"])
def test_300000_rows_have_the_statistics_of_the_facts(maze: str) -> None:
    mean, median, longest, sparse, dense, saturated = FACTS_300K[maze]
    trajectory, layout = run(maze, 300_000), find_layout(maze)
    _, length_band, sparse_band, dense_band = (DIFFERENCE * spread / 15**0.5 for spread in SPREAD_20K[maze])
    lengths, positions = segments(trajectory), trajectory.observations[:, :2]
    assert lengths.mean() == pytest.approx(mean, abs=length_band)
    assert np.median(lengths) == pytest.approx(median, abs=2 * length_band)
    assert lengths.max() == pytest.approx(longest, rel=0.1)  # so the time limit never fires
    assert Reward.SPARSE.at(positions, layout.goal).mean() == pytest.approx(sparse, abs=sparse_band)
    assert Reward.DENSE.at(positions, layout.goal).mean() == pytest.approx(dense, abs=dense_band)
    assert (np.abs(trajectory.actions) == 1.0).mean() == pytest.approx(saturated, abs=0.01)


def test_a_target_that_is_not_reached_in_time_is_given_up() -> None:
    """With noise far above the control the limit fires: the row at the limit ends the segment."""
    trajectory = run("large", 5_000, noise=50.0)
    assert segments(trajectory).max() == LAYOUTS["large"].episode_limit + 1


@pytest.mark.parametrize("options", [{"noise": -0.1}, {"steps": 0}, {"noise": float("nan")}])
def test_impossible_collections_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(InvalidArgumentError):
        replace(CollectionConfig(layout=LAYOUTS["umaze"], steps=10), **options)  # type: ignore[arg-type]
