"""The registry: D4RL's names, sizes, limits, reference returns and addresses, and scores made from them."""

import ast
from typing import Any

import numpy as np
import pytest

from ampl.errors import UnknownNameError
from continuous.tasks.find import find_task
from continuous.tasks.registry import TASKS, Family
from continuous.tasks.scores import normalize_score, normalize_spread
from tests.continuous.data.d4rl_samples import d4rl_function, installed_d4rl

MOPOS = (Family.OUT_OF_DISTRIBUTION, Family.TREATMENT)
D4RL = {name: task for name, task in TASKS.items() if task.family not in MOPOS}
WITHOUT_FILES = (Family.LINEAR_GAUSSIAN, Family.OWN)
D4RL_FAMILIES = [family for family in Family if family not in (*MOPOS, *WITHOUT_FILES)]


def test_every_task_of_every_family_is_there() -> None:
    counts = {family: sum(task.family is family for task in TASKS.values()) for family in Family}
    ours = {Family.OUT_OF_DISTRIBUTION: 1 + 4, Family.TREATMENT: 1} | dict.fromkeys(WITHOUT_FILES, 0)
    assert (
        counts
        == {Family.GYM_MUJOCO: 4 * 6, Family.GYM_MUJOCO_V0: 4 * 5, Family.MAZE2D: 3 * 2, Family.ADROIT: 4 * 3} | ours
    )
    assert all(name == task.name for name, task in TASKS.items())
    assert len({task.url for task in D4RL.values()}) == len(D4RL)
    assert len({task.file_name for task in TASKS.values()}) == len(TASKS)


def test_mopo_facts_a5_and_a6_mopos_own_tasks_have_sizes_and_no_scores() -> None:
    """halfcheetah-jump, ant-angle-30, -45, -60, -90 with 27 observations, and HIV; results are raw returns."""
    tasks = {name: task for name, task in TASKS.items() if name not in D4RL}
    sizes = {name: (task.observation_size, task.action_size, task.episode_limit) for name, task in tasks.items()}
    ants = {f"ant-angle-{angle}": (27, 8, 1000) for angle in (30, 45, 60, 90)}
    assert sizes == {"halfcheetah-jump": (17, 6, 1000), "hiv-treatment": (6, 2, 400)} | ants
    for task in tasks.values():
        assert not task.has_scores
        assert (task.url, task.file_name) == ("", f"{task.name}.hdf5")
        assert np.isnan(normalize_score(task, 100.0))
        assert np.isnan(normalize_spread(task, 100.0))
    assert all(task.has_scores for task in D4RL.values())


@pytest.mark.parametrize(
    ("name", "sizes", "references", "path"),
    [
        ("halfcheetah-random-v2", (17, 6, 1000), (-280.178953, 12135.0), "gym_mujoco_v2/halfcheetah_random-v2.hdf5"),
        ("hopper-medium-replay-v2", (11, 3, 1000), (-20.272305, 3234.3), "gym_mujoco_v2/hopper_medium_replay-v2.hdf5"),
        ("walker2d-expert-v2", (17, 6, 1000), (1.629008, 4592.3), "gym_mujoco_v2/walker2d_expert-v2.hdf5"),
        ("hopper-medium-v0", (11, 3, 1000), (-20.272305, 3234.3), "gym_mujoco/hopper_medium.hdf5"),
        ("walker2d-medium-replay-v0", (17, 6, 1000), (1.629008, 4592.3), "gym_mujoco/walker_mixed.hdf5"),
        ("ant-full-replay-v2", (111, 8, 1000), (-325.6, 3879.7), "gym_mujoco_v2/ant_full_replay-v2.hdf5"),
        ("maze2d-umaze-v1", (4, 2, 300), (23.85, 161.86), "maze2d/maze2d-umaze-sparse-v1.hdf5"),
        ("maze2d-large-dense-v1", (4, 2, 800), (30.569041, 303.4857382709002), "maze2d/maze2d-large-dense-v1.hdf5"),
        ("pen-human-v1", (45, 24, 100), (96.262799, 3076.8331017826877), "hand_dapg_v1/pen-human-v1.hdf5"),
        ("door-cloned-v1", (39, 28, 200), (-56.512833, 2880.5693087298737), "hand_dapg_v1/door-cloned-v1.hdf5"),
        ("hammer-expert-v1", (46, 26, 200), (-274.856578, 12794.134825156867), "hand_dapg_v1/hammer-expert-v1.hdf5"),
        ("relocate-human-v1", (39, 30, 200), (-6.425911, 4233.877797728884), "hand_dapg_v1/relocate-human-v1.hdf5"),
    ],
)
def test_d4rl_facts_3_sizes_limits_and_reference_returns(
    name: str, sizes: tuple[int, int, int], references: tuple[float, float], path: str
) -> None:
    task = find_task(name)
    assert (task.observation_size, task.action_size, task.episode_limit) == sizes
    assert (task.reference_min, task.reference_max) == references
    assert task.url == f"http://rail.eecs.berkeley.edu/datasets/offline_rl/{path}"
    assert task.file_name == path.partition("/")[2]


def test_an_unknown_task_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'hopper-medium-v2'"):
        find_task("hopper-medium-v1")


def test_our_tables_equal_those_of_the_installed_d4rl_package() -> None:
    """Its score file holds nothing but tables; it is run on its own, never as part of the package."""
    tree = ast.parse((installed_d4rl() / "infos.py").read_text())
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    tables: dict[str, Any] = {}
    exec(compile(tree, "infos.py", "exec"), tables)
    for name, task in D4RL.items():
        assert tables["DATASET_URLS"][name] == task.url
        assert tables["REF_MIN_SCORE"][name] == task.reference_min
        assert tables["REF_MAX_SCORE"][name] == task.reference_max


@pytest.mark.parametrize("family", D4RL_FAMILIES)
def test_our_limits_equal_those_that_the_installed_d4rl_package_registers(family: Family) -> None:
    folder = {
        Family.GYM_MUJOCO: "gym_mujoco",
        Family.GYM_MUJOCO_V0: "gym_mujoco",
        Family.MAZE2D: "pointmaze",
        Family.ADROIT: "hand_manipulation_suite",
    }
    tree = ast.parse((installed_d4rl() / folder[family] / "__init__.py").read_text())
    body = [node for node in tree.body if not isinstance(node, ast.Import | ast.ImportFrom)]
    limits: dict[str, int] = {}

    def register(id: str, max_episode_steps: int = 0, **_: Any) -> None:
        limits[id] = max_episode_steps

    class Anything(dict[str, Any]):
        def __missing__(self, key: str) -> Any:
            return Anything()

        def __getattr__(self, name: str) -> Any:
            return Anything()

    layouts = ("OPEN", "U_MAZE", "MEDIUM_MAZE", "LARGE_MAZE", "U_MAZE_EVAL", "MEDIUM_MAZE_EVAL", "LARGE_MAZE_EVAL")
    names: dict[str, Any] = {"register": register, "infos": Anything()} | dict.fromkeys(layouts)
    exec(compile(ast.Module(body=body, type_ignores=[]), str(family), "exec"), names)
    for name, task in D4RL.items():
        if task.family is family:
            assert limits[name] == task.episode_limit


def test_scores_are_d4rls_fraction_times_100() -> None:
    tables = {"REF_MIN_SCORE": {}, "REF_MAX_SCORE": {}}
    theirs = d4rl_function("get_normalized_score")
    theirs.__globals__["d4rl"] = type("d4rl", (), {"infos": type("infos", (), tables)})
    for name, task in D4RL.items():
        tables["REF_MIN_SCORE"][name], tables["REF_MAX_SCORE"][name] = task.reference_min, task.reference_max
        assert normalize_score(task, 123.4) == pytest.approx(100 * theirs(name, 123.4), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "mean", "score"),
    [
        ("halfcheetah-medium-v2", 4770.33, 40.7),
        ("hopper-medium-v2", 1422.06, 44.3),
        ("walker2d-expert-v2", 4920.51, 107.2),
    ],
)
def test_d4rl_facts_1_published_mean_returns_have_the_published_scores(name: str, mean: float, score: float) -> None:
    assert normalize_score(find_task(name), mean) == pytest.approx(score, abs=0.06)


def test_the_reference_returns_score_0_and_100() -> None:
    for task in D4RL.values():
        ends = normalize_score(task, np.array([task.reference_min, task.reference_max]))
        np.testing.assert_allclose(ends, [0.0, 100.0], atol=1e-9)


def test_a_spread_is_scaled_and_never_shifted() -> None:
    rng = np.random.default_rng(0)
    for task in D4RL.values():
        returns = rng.normal(500.0, 100.0, 50)
        assert normalize_spread(task, returns.std()) == pytest.approx(normalize_score(task, returns).std(), rel=1e-9)
        assert normalize_spread(task, 0.0) == 0.0
