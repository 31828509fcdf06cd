"""`ampl.load_policy` of deep runs: the policy that was evaluated, from the run directory alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import ampl
import continuous.tasks.find
import continuous.tasks.registry
from ampl.errors import InvalidArgumentError, InvalidFileError, InvalidShapeError
from ampl.evaluation_schedule import EvaluationRequest
from ampl.randomness import stream
from ampl.runs.run_evaluation import newest_checkpoint
from continuous.algorithms.ampl.ampl import AMPL
from continuous.networks.modules import BestOfSeveralModule, as_module
from continuous.tasks.find import find_task
from continuous.tasks.registry import TASKS, Task
from tests.continuous.algorithms.small_ampl import line_table
from tests.continuous.algorithms.small_run import BUILD, small_run

SIZES = (line_table().observation_size, line_table().action_size)
LINE = replace(find_task("hopper-medium-v2"), name="line", observation_size=SIZES[0], action_size=SIZES[1])
STATES = stream(0, "states").normal(size=(7, SIZES[0])).astype(np.float32)


@pytest.fixture(autouse=True)
def line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task without a dataset and without a simulator."""
    tasks: Mapping[str, Task] = {**TASKS, "line": LINE}
    for module in (continuous.tasks.registry, continuous.tasks.find):
        monkeypatch.setattr(module, "TASKS", tasks)


def evaluated(algorithm: Any, index: int) -> Any:
    return algorithm.evaluations(EvaluationRequest(epoch=2, certificates=False))[index].policy


@pytest.mark.parametrize("algorithm", BUILD)
def test_the_policy_of_a_run_is_the_one_that_is_evaluated(algorithm: str, tmp_path: Path) -> None:
    small_run(algorithm, tmp_path, 2)
    path = tmp_path / "line" / algorithm / "main" / "seed1"
    trained = BUILD[algorithm]([0, 1])  # type: ignore[operator]
    newest_checkpoint(path).put_into(trained, 1)
    loaded, reference = ampl.load_policy(path, seed=3), evaluated(trained, 1)
    generator = stream(3, "policy/actions")
    assert loaded.epoch == 2
    for _ in range(3):  # as it draws on
        np.testing.assert_array_equal(loaded.act(STATES), reference(STATES, generator))
    action = loaded.act(STATES[0].astype(np.float64).tolist())
    assert action.shape == SIZES[1:]
    assert not np.array_equal(ampl.load_policy(path.with_name("seed0")).act(STATES), ampl.load_policy(path).act(STATES))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch.jit, which still is what C++ reads
@pytest.mark.parametrize("algorithm", BUILD)
def test_as_a_torch_module_it_acts_the_same_also_traced_and_from_a_file(algorithm: str, tmp_path: Path) -> None:
    small_run(algorithm, tmp_path, 1)
    policy = ampl.load_policy(tmp_path / "line" / algorithm / "main" / "seed0")
    module = policy.module()
    assert isinstance(module, torch.nn.Module)
    assert not module.training
    assert sum(parameter.numel() for parameter in module.parameters()) > 0
    states = torch.from_numpy(STATES)
    assert module(states[0]).shape == SIZES[1:]
    jit: Any = torch.jit  # which has no types
    jit.trace(module, states, check_trace=False).save(str(tmp_path / "policy.pt"))
    read = jit.load(str(tmp_path / "policy.pt"))
    assert read(states[:3]).shape == (3, *SIZES[1:])
    if algorithm == "ampl":  # which draws: compared without its noise in the next test
        assert not torch.equal(module(states), module(states))
        return
    for same in (module, read):
        np.testing.assert_allclose(same(states).detach(), policy.act(STATES), atol=1e-6)


def test_the_module_of_ampl_takes_the_action_that_its_critics_value_most() -> None:
    trained = BUILD["ampl"]([0])  # type: ignore[operator]
    best = evaluated(trained, 0)
    without_noise = replace(best, actor=replace(best.actor, scale=0.0))
    module = as_module(without_noise)
    assert module is not None
    actions = module(torch.from_numpy(STATES)).detach()
    np.testing.assert_allclose(actions, without_noise(STATES, stream(0, "none")), atol=1e-6)
    offered = np.stack([best.actor(STATES, stream(seed, "draw")) for seed in range(4)], axis=1)  # [7, 4, A]

    class Offers(torch.nn.Module):
        def forward(self, states: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(offered)

    chosen = BestOfSeveralModule(Offers(), replace(best, count=4))(torch.from_numpy(STATES)).detach()
    pairs = np.concatenate((np.repeat(STATES[:, None], 4, axis=1), offered), axis=-1)
    value = best.critic(pairs.reshape(28, -1))[..., 0].min(axis=0).reshape(7, 4)
    np.testing.assert_array_equal(chosen, offered[np.arange(7), value.argmax(axis=1)])


@pytest.mark.parametrize("algorithm", [name for name in BUILD if name not in ("bc", "td3-bc")])  # deterministic
def test_a_policy_also_draws_as_training_does(algorithm: str, tmp_path: Path) -> None:
    small_run(algorithm, tmp_path, 1)
    path = tmp_path / "line" / algorithm / "main" / "seed0"
    policy = ampl.load_policy(path)
    drawn = [policy.act(STATES, sample=True) for _ in range(50)]
    assert np.std(drawn, axis=0).min() > 1e-4
    again = ampl.load_policy(path)
    np.testing.assert_array_equal(again.act(STATES, sample=True), drawn[0])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_module_exports_to_onnx(tmp_path: Path) -> None:
    onnx: Any = pytest.importorskip("onnx")
    small_run("mopo", tmp_path, 1)
    module = ampl.load_policy(tmp_path / "line" / "mopo" / "main" / "seed0").module()
    torch.onnx.export(module, (torch.from_numpy(STATES),), str(tmp_path / "policy.onnx"), dynamo=False)
    onnx.checker.check_model(onnx.load(str(tmp_path / "policy.onnx")))


def test_the_gaussian_policy_of_an_ablation_is_one_too() -> None:
    trained = BUILD["ampl"]([0, 1], "gaussian-policy")  # type: ignore[operator]
    settings = json.loads(json.dumps(dict(trained.config())))
    found = AMPL.saved_actor(SIZES, settings, trained.state(1))
    draws = [policy(STATES, stream(0, "draws")) for policy in (found, evaluated(trained, 1))]
    np.testing.assert_array_equal(*draws)


def test_mistakes(tmp_path: Path) -> None:
    small_run("mopo", tmp_path, 1)
    path = tmp_path / "line" / "mopo" / "main" / "seed0"
    policy = ampl.load_policy(str(path))
    for wrong in (STATES[None], STATES[:, :-1], 1.0):
        with pytest.raises(InvalidShapeError, match=rf"expected \[{SIZES[0]}\]"):
            policy.act(wrong)
    for wrong in (np.full(SIZES[0], np.nan), np.full(SIZES[0], 1e300)):
        with pytest.raises(InvalidArgumentError, match="finite numbers within float32"):
            policy.act(wrong)
    with pytest.raises(InvalidFileError, match=r"below it are .*seed0, .*seed1\. Name one of them"):
        ampl.load_policy(path.parent)
    config = json.loads((path / "config.json").read_text())
    config["settings"]["learner"]["policy"]["hidden"] = [5]
    (path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InvalidFileError, match="does not fit this version"):
        ampl.load_policy(path)
