"""hiv-treatment as a task: the batched simulator, and the commands that make, check, train and score."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from ampl.command_line.main import main
from ampl.errors import InvalidArgumentError, InvalidShapeError
from continuous.algorithms.damo import config as damo_presets
from continuous.algorithms.mopo import config as mopo_presets
from continuous.algorithms.mopo.config import MOPOConfig
from continuous.data.check import diagnose
from continuous.data.d4rl_file import read_d4rl, read_provenance, write_d4rl
from continuous.environments.hiv.environment import HivEnvironment
from continuous.environments.hiv.simulator import TreatmentSimulator
from continuous.environments.hiv.treatment import HivConfig, Observation
from continuous.environments.registry import environment_for, robot_for, simulator_maker
from continuous.evaluation.evaluator import Evaluator, uniform_policy
from continuous.evaluation.video import film
from continuous.recreate.hiv.data import SacReplayConfig
from continuous.recreate.hiv.recipe import PUBLISHED_STEPS
from continuous.tasks.find import find_task
from continuous.tasks.registry import Task
from continuous.tasks.termination import find_termination

TASK = find_task("hiv-treatment")
VARIED = HivConfig(horizon=6)  # starts differ between episodes


def generators(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng(seed) for seed in range(count)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with 800 rows of the task, made by the command."""
    folder = tmp_path_factory.mktemp("data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("D4RL_DATASET_DIR", str(folder))
        assert main(["data", "make", TASK.name, "--steps", "800", "--seed", "3"]) == 0
    return folder


@pytest.fixture
def cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("D4RL_DATASET_DIR", str(folder))
    return folder


@pytest.mark.parametrize(
    "config", [VARIED, HivConfig.mopo(), replace(VARIED, observation=Observation.LOG_CELLS)], ids=["5", "mopo", "cells"]
)
def test_patients_side_by_side_are_the_environments_to_the_last_bit(config: HivConfig) -> None:
    actions = np.random.default_rng(5).uniform(-1.5, 1.5, (6, 3, 2))  # [steps, patients, drugs], some to be clipped
    actions[:, 2] = actions[:, 1]  # in MOPO's task the second and third patient are one
    simulator = TreatmentSimulator(config)
    environments = [HivEnvironment(config) for _ in range(3)]
    firsts = simulator.reset(generators(3))
    for environment, generator, first in zip(environments, generators(3), firsts, strict=True):
        environment.np_random = generator
        assert_array_equal(environment.reset()[0], first)
    for row in actions:
        step = simulator.step(row)
        for patient, environment in enumerate(environments):
            observation, reward, terminated, *_ = environment.step(row[patient])
            assert_array_equal(step.observations[patient], observation)
            assert step.rewards[patient] == reward
            assert step.terminated[patient] == terminated
    assert simulator.running.all()


def test_equal_patients_are_integrated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from continuous.environments.hiv import simulator as module

    calls: list[object] = []
    advance = module.advance
    monkeypatch.setattr(module, "advance", lambda *arguments: (calls.append(arguments), advance(*arguments))[1])
    simulator = TreatmentSimulator()
    simulator.reset(generators(5))
    simulator.step(np.zeros((5, 2)))
    assert len(calls) == 1
    simulator.step(np.linspace(0.0, 1.0, 10).reshape(5, 2))
    assert len(calls) == 1 + 5
    simulator.step(np.zeros((5, 2)))
    assert len(calls) == 1 + 5 + 5


def test_wrong_actions_of_patients_are_named() -> None:
    simulator = TreatmentSimulator(VARIED)
    simulator.reset(generators(2))
    with pytest.raises(InvalidShapeError, match=r"actions are \[3, 2\]; expected \[2, 2\]"):
        simulator.step(np.zeros((3, 2)))
    with pytest.raises(InvalidArgumentError, match="the action of episode 1 is not finite"):
        simulator.step(np.array([[0.0, 0.0], [np.nan, 0.0]]))


def test_the_evaluators_return_is_the_environments() -> None:
    """Episodes are cut after 400 days, and a deterministic policy earns the same in all of them."""
    with Evaluator(simulator_maker(TASK, 1)(), episodes=2) as evaluator:
        found = evaluator.evaluate([lambda states, _: np.full((len(states), 2), 0.25)], [0])[0]
    environment = environment_for(TASK)
    environment.reset(seed=1)
    total, steps, truncated = 0.0, 0, False
    while not truncated:
        _, reward, _, truncated, _ = environment.step(np.full(2, 0.25))
        total, steps = total + reward, steps + 1
    assert steps == TASK.episode_limit
    assert_array_equal(found.lengths, [400, 400])
    np.testing.assert_allclose(found.returns, total, rtol=1e-12)
    assert not found.terminated.any()


def test_a_made_file_has_the_record_and_the_rows_asked_for(cache: Path) -> None:
    path = cache / "hiv-treatment.hdf5"
    data, provenance = read_d4rl(path, TASK), read_provenance(path)
    assert data.n_rows == 800
    assert_array_equal(np.flatnonzero(data.timeouts), [399, 799])
    assert provenance is not None
    assert (provenance.recipe, provenance.seed, provenance.steps) == (TASK.name, 3, 800)
    assert not find_termination(TASK)(data.observations).any()
    assert PUBLISHED_STEPS == SacReplayConfig().steps == 200_000


def test_the_commands_know_the_task(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "check", str(cache / "hiv-treatment.hdf5")]) == 0
    assert capsys.readouterr().out.endswith("800 rows of hiv-treatment, nothing wrong.\n")
    assert main(["data", "list"]) == 0
    listed = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    assert listed["hiv-treatment"] == ["6", "2", "400", "re-created", "yes"]
    assert main(["data", "info", "hiv-treatment"]) == 0
    card = capsys.readouterr().out
    assert "200000 rows by default" in card
    assert "800 in 2 complete episodes" in card
    assert main(["data", "score", "hiv-treatment", "--episodes", "2"]) == 0
    scored = capsys.readouterr().out
    assert "evaluation/return_mean" in scored
    assert "score_mean" not in scored


def test_files_with_another_reward_or_an_end_are_refused(cache: Path, tmp_path: Path) -> None:
    data, path = read_d4rl(cache / "hiv-treatment.hdf5", TASK), tmp_path / "other.hdf5"
    provenance = read_provenance(cache / "hiv-treatment.hdf5")
    assert provenance is not None
    changed = {
        "another reward than the treatment's": replace(data, rewards=data.rewards * np.float32(1.1)),
        "a treatment never ends by itself": replace(data, terminals=data.timeouts),
        "next_observations are missing": replace(data, next_observations=None),
    }
    for number, (expected, wrong) in enumerate(changed.items()):
        write_d4rl(path.with_stem(f"other{number}"), wrong, provenance)
        (problem,) = diagnose(path.with_stem(f"other{number}"), TASK).problems
        assert expected in problem


def test_mopo_trains_on_the_task_from_the_command_line(
    cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def brief(config: MOPOConfig, task: Task) -> MOPOConfig:
        return replace(config, dynamics=replace(config.dynamics, max_steps=50))

    monkeypatch.setitem(mopo_presets.VARIANTS, "main", brief)  # type: ignore[arg-type]
    options = [
        "--epochs",
        "1",
        "--steps-per-epoch",
        "1",
        "--eval-episodes",
        "1",
        "--threads",
        "1",
        "--device",
        "cpu",
        "--out",
        str(tmp_path),
    ]
    assert main(["train", "mopo", "hiv-treatment", *options]) == 0
    assert "h = 5 and lambda = 1 are reconstructed" in "".join(capsys.readouterr())
    (result,) = tmp_path.rglob("result.json")
    found = json.loads(result.read_text())
    text = json.dumps(found)
    assert "NaN" not in text
    assert "Infinity" not in text
    assert "score_mean" not in text
    assert "evaluation/return_mean" in text


def test_reconstructed_settings_are_the_commonest_of_the_papers() -> None:
    config = mopo_presets.main_config(TASK)
    assert (config.schedule.rollout_length, config.penalty_weight, config.random_rollout_actions) == (5, 1.0, False)
    assert mopo_presets.VARIANTS["kit"](config, TASK).penalty_weight == 1.0
    hopper = find_task("hopper-medium-v2")
    assert mopo_presets.preset_notes(hopper, "main", mopo_presets.main_config(hopper)) == []
    chosen = [(preset.rollout_length, preset.penalty_weight) for preset in mopo_presets.PAPER.values()]
    assert max(set(chosen), key=chosen.count) == (5, 1.0)
    damo = damo_presets.main_config(TASK)
    assert (damo.learner.alpha, damo.schedule.rollout_length) == (2.0, 5)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["train", "ampl", "hiv-treatment"], "AMPL's start states"),
        (["train", "mopo", "hiv-treatment", "--variant", "true-error"], "true-error need"),
        (["data", "make", "hiv-treatment", "--noise", "0.1"], "--noise means nothing for hiv-treatment"),
        (["data", "make", "hiv-treatment", "--steps", "0"], "--steps"),
        (["data", "make", "hiv-treatmnt"], "Did you mean 'hiv-treatment'"),
        (["data", "download", "hiv-treatment"], "Make one: `ampl data make hiv-treatment`"),
        (["data", "score", "hiv-treatment", "--policy", "p.npz"], "has no policy files"),
    ],
)
def test_what_the_task_cannot_do_is_one_line(
    arguments: list[str], expected: str, cache: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "out")] if arguments[1] not in ("download", "score") else []
    assert main([*arguments, *out]) == 2
    message = capsys.readouterr().err.strip()
    assert expected in message
    assert len([line for line in message.splitlines() if line.startswith("ampl: error")]) == 1
    assert not (tmp_path / "out").exists()


def test_the_registry_says_what_the_task_lacks(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="has no MuJoCo model"):
        robot_for(TASK)
    with pytest.raises(InvalidArgumentError, match="has no pictures"):
        film(TASK, uniform_policy(2), tmp_path / "film.gif", 0)
