"""Evaluations of deep policies: the same here and in workers, which never import PyTorch."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from pathlib import Path

from ampl.evaluation_schedule import EvaluationRequest
from ampl.processes import worker_pool
from ampl.scale import Scale
from ampl.training import train
from continuous.algorithms.sac.policy import SquashedGaussian, SquashedGaussianConfig
from continuous.environments.registry import kept_simulator
from continuous.evaluation.evaluator import Evaluation, task_evaluator
from continuous.evaluation.policy_evaluation import PolicyEvaluation
from continuous.tasks.find import find_task
from tests.ampl.runs.interruption import run_bytes
from tests.continuous.algorithms.small_ampl import small_ampl
from tests.continuous.algorithms.small_model_based import small_mopo

HOPPER = find_task("hopper-medium-v2")


def hopper_evaluation() -> PolicyEvaluation:
    return PolicyEvaluation(
        evaluator=partial(task_evaluator, HOPPER, 1, 3, 0.99),
        score=partial(Evaluation.metrics, task=HOPPER, discounted=True),
        policy=SquashedGaussian(11, 3, SquashedGaussianConfig(), (0,)).snapshot(0),
        seed=5,
        stream="evaluation/epoch 4",
        certificates={"certificate/model_return": 2.5},
    )


def test_a_worker_measures_the_same_bits_without_pytorch() -> None:
    evaluation = hopper_evaluation()
    here = evaluation()
    assert here["certificate/model_return"] == 2.5
    assert {"evaluation/score_mean", "evaluation/discounted_return_mean"} <= set(here)
    with worker_pool(1) as pool:
        assert pool is not None
        assert pool.submit(evaluation).result() == here
        assert "torch" not in pool.submit(eval, "set(__import__('sys').modules)").result()


def test_another_epoch_starts_elsewhere_and_the_same_one_alike() -> None:
    evaluation = hopper_evaluation()
    assert evaluation() == evaluation()
    other = replace(evaluation, stream="evaluation/epoch 5")
    assert other()["evaluation/return_mean"] != evaluation()["evaluation/return_mean"]


def test_the_simulator_is_kept() -> None:
    assert kept_simulator(HOPPER, 1) is kept_simulator(HOPPER, 1)


def test_a_policy_that_is_not_sound_scores_nothing() -> None:
    found = replace(hopper_evaluation(), sound=False)()
    assert set(found) == set(hopper_evaluation()())
    assert all(math.isnan(value) for value in found.values())


def test_certificates_start_where_the_evaluation_does_and_are_left_out_where_not_asked_for() -> None:
    mopo = small_mopo()
    mopo.fit_model(None)
    (with_them,) = mopo.evaluations(EvaluationRequest(epoch=2, episodes=4))
    (without,) = mopo.evaluations(EvaluationRequest(epoch=2, episodes=4, certificates=False))
    assert {name.split("/")[0] for name in with_them()} == {"evaluation", "certificate"}
    assert {name.split("/")[0] for name in without()} == {"evaluation"}
    assert without().items() <= with_them().items()


def test_ampls_drawn_actions_are_the_same_in_a_worker() -> None:
    evaluations = small_ampl((0, 1)).evaluations(EvaluationRequest(epoch=3))
    with worker_pool(1) as pool:
        assert pool is not None
        beside = [pool.submit(evaluation).result() for evaluation in evaluations]
    assert beside == [evaluation() for evaluation in evaluations]
    assert beside[0] != beside[1]


def test_a_training_with_a_worker_records_the_same_bytes(tmp_path: Path) -> None:
    for name, workers in (("here", 0), ("beside", 1)):
        train(
            small_mopo((0, 1)),
            task="line",
            variant="main",
            epochs=12,
            out=tmp_path / name,
            scale=Scale(evaluation_period=2),
            evaluation_workers=workers,
        )
    for seed in ("seed0", "seed1"):
        here, beside = (tmp_path / name / "line" / "mopo" / "main" / seed for name in ("here", "beside"))
        assert run_bytes(here, 12) == run_bytes(beside, 12)
