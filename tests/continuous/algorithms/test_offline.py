"""What every deep algorithm keeps to, in each variant, through the shared driver, with and without a model."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from ampl.evaluation_schedule import EvaluationRequest
from ampl.runs.metrics_table import read_metrics
from ampl.training import train
from continuous.algorithms.learner import ValueLearner
from continuous.algorithms.offline import AnyAlgorithm
from tests.continuous.algorithms.factories import FACTORIES
from tests.continuous.algorithms.small_model_based import BUILDERS
from tests.continuous.algorithms.small_model_free import MODEL_FREE, small_model_free

Build = Callable[[tuple[int, ...]], AnyAlgorithm]
BUILD = {**BUILDERS, **{name: partial(small_model_free, name) for name in MODEL_FREE}}
ALGORITHMS: dict[str, Build] = {
    f"{name} {variant}": partial(build, variant=variant)  # type: ignore[dict-item]
    for name, build in BUILD.items()
    for variant in FACTORIES[name].variants
}
"""AMPL, whose runs are longer, has tests of its own."""


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(params=ALGORITHMS)
def build(request: pytest.FixtureRequest) -> Build:
    return ALGORITHMS[request.param]


def test_two_halves_with_a_resume_equal_one_run(build: Build, tmp_path: Path) -> None:
    whole = train(build((0, 4)), task="t", variant="v", epochs=4, out=tmp_path / "whole")
    train(build((0, 4)), task="t", variant="v", epochs=2, out=tmp_path / "halves")
    halves = train(build((0, 4)), task="t", variant="v", epochs=4, out=tmp_path / "halves", resume=True)
    for one, two in zip(whole, halves, strict=True):
        assert (one.path / "metrics.csv").read_bytes() == (two.path / "metrics.csv").read_bytes()


def test_a_seed_draws_the_same_alone_and_among_others(build: Build, tmp_path: Path) -> None:
    alone = train(build((3,)), task="t", variant="v", epochs=2, out=tmp_path / "alone")
    among = train(build((1, 3, 5)), task="t", variant="v", epochs=2, out=tmp_path / "among")
    first, second = (read_metrics(run.path / "metrics.csv") for run in (alone[0], among[1]))
    for name in first:
        np.testing.assert_allclose(first[name], second[name], rtol=2e-3, atol=2e-4, err_msg=name)


@pytest.mark.parametrize("name", MODEL_FREE)
def test_a_discount_of_one_is_evaluated(name: str) -> None:
    (found,) = small_model_free(name, discount=1.0).evaluations(EvaluationRequest(epoch=1))
    assert np.isfinite(list(found().values())).all()


@pytest.mark.parametrize("name", MODEL_FREE)
def test_without_a_model_nothing_of_one_is_recorded(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    algorithm = small_model_free(name)
    (result,) = train(algorithm, task="t", variant="v", epochs=2, out=tmp_path)
    columns = read_metrics(result.path / "metrics.csv")
    assert not [column for column in columns if "model" in column]
    assert ("certificate/value_estimate" in columns) == isinstance(algorithm.learner, ValueLearner)
    with np.load(result.path / "samples.npz") as samples:
        assert {key for key in samples if key.endswith("_state")} == {"offline_state", "real_state"}
    assert not (result.path / "weights").exists()
    assert "model" not in "".join(capsys.readouterr())
