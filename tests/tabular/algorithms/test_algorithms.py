"""What every exact algorithm keeps to, in each of its variants, through the shared driver."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ampl.command_line.main import main
from ampl.errors import InvalidArgumentError, UnknownNameError
from ampl.runs.metrics_table import read_metrics
from ampl.training import train
from tabular.algorithms.algaedice import ALGAEDICE, AlgaeDICEConfig
from tabular.algorithms.ampl import AMPL, AMPLConfig
from tabular.algorithms.behavior_cloning import BC
from tabular.algorithms.combo import COMBO, COMBOConfig
from tabular.algorithms.cql import CQL, CQLConfig
from tabular.algorithms.damo import DAMO, DAMOConfig
from tabular.algorithms.exact_algorithm import ExactAlgorithm, ExactFactory
from tabular.algorithms.mopo import MOPO, MOPOConfig, MOPOLearner
from tabular.algorithms.morel import MOREL, MOReLConfig
from tabular.algorithms.offline_learner import OfflineConfig, OfflineLearner, behavior_policy
from tabular.algorithms.optidice import OPTIDICE, OptiDICEConfig
from tabular.algorithms.rambo import RAMBO, RAMBOConfig
from tabular.bounds.penalized_mdp import penalized_return
from tabular.exact.occupancy import expected_return
from tabular.exact.policy import optimal_policy
from tabular.mdps.generators import random_mdp
from tabular.mdps.mdp import FiniteMDP
from tabular.mdps.tasks import TASKS, task_mdp

Build = Callable[[FiniteMDP, list[int]], ExactAlgorithm]
FACTORIES: tuple[ExactFactory[Any], ...] = (AMPL, MOPO, DAMO, OPTIDICE, ALGAEDICE, BC, CQL, COMBO, MOREL, RAMBO)
PESSIMISTIC = ("cql", "combo", "morel", "rambo")


def with_little_data(factory: ExactFactory[Any]) -> OfflineConfig:
    """The published settings with 3,000 transitions; AMPL refits every second epoch."""
    period = {"retrain_period": 2} if factory is AMPL else {}
    return replace(factory.published, n_transitions=3000, **period)


ALGORITHMS: dict[str, Build] = {
    f"{factory.name} {variant}": partial(factory.make, config=with_little_data(factory), variant=variant)
    for factory in FACTORIES
    for variant in factory.variants
}
TRUTH = ("return_mean", "return_in_model", "divergence_model_nats", "bound", "lower_bound", "weights_error_l1")


def small_mdp() -> FiniteMDP:
    return random_mdp(6, 2, np.random.default_rng(0), discount=0.9, concentration=0.3, nonnegative_reward=True)


@pytest.fixture(params=ALGORITHMS)
def build(request: pytest.FixtureRequest) -> Build:
    return ALGORITHMS[request.param]


def test_the_same_seed_gives_the_same_bytes_alone_and_beside_others(build: Build, tmp_path: Path) -> None:
    alone = train(build(small_mdp(), [3]), task="t", variant="v", epochs=3, out=tmp_path / "a")
    among = train(build(small_mdp(), [1, 3]), task="t", variant="v", epochs=3, out=tmp_path / "b")
    first, second = (run.path / "metrics.csv" for run in (alone[0], among[1]))
    assert first.read_bytes() == second.read_bytes()


def test_two_halves_with_a_resume_equal_one_run(build: Build, tmp_path: Path) -> None:
    whole = train(build(small_mdp(), [0]), task="t", variant="v", epochs=4, out=tmp_path / "whole")
    train(build(small_mdp(), [0]), task="t", variant="v", epochs=2, out=tmp_path / "halves")
    halves = train(build(small_mdp(), [0]), task="t", variant="v", epochs=4, out=tmp_path / "halves", resume=True)
    assert (whole[0].path / "metrics.csv").read_bytes() == (halves[0].path / "metrics.csv").read_bytes()


def test_every_epoch_records_the_truth_and_the_bound_holds(build: Build, tmp_path: Path) -> None:
    run = train(build(small_mdp(), [0]), task="t", variant="v", epochs=3, out=tmp_path)[0]
    columns = read_metrics(run.path / "metrics.csv")
    assert {f"evaluation/{name}" for name in TRUTH} <= set(columns)
    assert {"critic/value_mean", "policy/largest_change", "model/training_loss_nats"} <= set(columns)
    gap = np.abs(columns["evaluation/return_mean"] - columns["evaluation/return_in_model"])
    assert np.all(gap <= columns["evaluation/bound"])


BETTER = ("ampl", "mopo", "damo", "optidice", "algaedice", "cql", "combo", "rambo")


@pytest.mark.parametrize("name", [f"{name} main" for name in BETTER])
def test_with_much_data_and_a_free_model_class_the_policy_beats_its_data(name: str, tmp_path: Path) -> None:
    mdp = small_mdp()
    configured: dict[str, ExactAlgorithm] = {
        "ampl main": AMPL.make(mdp, [0], AMPLConfig(cell_share=1.0)),
        "mopo main": MOPO.make(mdp, [0], MOPOConfig(cell_share=1.0)),
        "damo main": DAMO.make(mdp, [0], DAMOConfig(cell_share=1.0, alpha=0.02)),
        "optidice main": OPTIDICE.make(mdp, [0], OptiDICEConfig(cell_share=1.0)),
        "algaedice main": ALGAEDICE.make(mdp, [0], AlgaeDICEConfig(cell_share=1.0)),
        "cql main": CQL.make(mdp, [0]),
        "combo main": COMBO.make(mdp, [0], COMBOConfig(cell_share=1.0)),
        "rambo main": RAMBO.make(mdp, [0], RAMBOConfig(cell_share=1.0)),
    }
    run = train(configured[name], task="t", variant="v", epochs=10, out=tmp_path)[0]
    earned = read_metrics(run.path / "metrics.csv")["evaluation/return_mean"][-1]
    behavior = expected_return(mdp, behavior_policy(mdp, 0.5))
    best = expected_return(mdp, optimal_policy(mdp))
    assert earned > behavior + 0.3 * (best - behavior)


def test_mopo_without_penalty_solves_the_model(tmp_path: Path) -> None:
    algorithm = MOPO.make(small_mdp(), [0], MOPOConfig(temperature=1e-4), "no-penalty")
    run = train(algorithm, task="t", variant="v", epochs=8, out=tmp_path)[0]
    model = algorithm._learners[0].model
    in_model = read_metrics(run.path / "metrics.csv")["evaluation/return_in_model"][-1]
    assert in_model == pytest.approx(expected_return(model, optimal_policy(model)), abs=1e-6)


def test_mopos_true_penalty_at_twice_the_share_gives_a_lower_bound_on_a_random_mdp(tmp_path: Path) -> None:
    algorithm = MOPO.make(small_mdp(), [0], MOPOConfig(penalty_share=2.0), "true-penalty")
    run = train(algorithm, task="t", variant="v", epochs=5, out=tmp_path)[0]
    columns = read_metrics(run.path / "metrics.csv")
    assert np.all(columns["evaluation/penalized_return"] <= columns["evaluation/return_mean"] + 1e-12)


def test_mopos_true_penalty_at_share_one_can_promise_more_than_is_earned(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model stays where reward is, so its values say little of the true ones: c is 1/2, where 0.91 is needed."""
    mdp = FiniteMDP([[[0.5, 0.5]], [[0.0, 1.0]]], [[1.0], [0.0]], [1.0, 0.0], 0.9)
    model = mdp.with_dynamics(np.array([[[1.0, 0.0]], [[1.0, 0.0]]]))

    def fit_the_model(learner: OfflineLearner, weights: None) -> dict[str, float]:
        learner.model = model
        return {}

    monkeypatch.setattr(OfflineLearner, "fit_model", fit_the_model)
    learner = MOPOLearner(mdp, MOPOConfig(penalty_share=1.0, n_transitions=10), "true-penalty", seed=0)
    learner.fit_model(None)
    promised = penalized_return(learner.model, learner.uncertainty, learner.penalty_weight, learner.policy)
    assert learner.penalty_weight == pytest.approx(0.45)
    assert promised == pytest.approx(0.55)
    assert expected_return(mdp, learner.policy) == pytest.approx(0.1 / 0.55)


def test_behavior_cloning_earns_what_its_data_did(tmp_path: Path) -> None:
    mdp = small_mdp()
    run = train(BC.make(mdp, [0]), task="t", variant="v", epochs=1, out=tmp_path)[0]
    earned = read_metrics(run.path / "metrics.csv")["evaluation/return_mean"][-1]
    assert earned == pytest.approx(expected_return(mdp, behavior_policy(mdp, 0.5)), abs=0.01)


@pytest.mark.parametrize("name", [f"{name} main" for name in PESSIMISTIC] + ["cql eq1", "cql eq2"])
def test_with_much_data_what_is_estimated_is_below_the_truth(name: str, tmp_path: Path) -> None:
    algorithm, variant = name.split()
    factory = next(factory for factory in FACTORIES if factory.name == algorithm)
    config = replace(factory.published, n_transitions=100_000, cell_share=1.0)
    run = train(factory.make(small_mdp(), [0], config, variant), task="t", variant="v", epochs=10, out=tmp_path)[0]
    columns = read_metrics(run.path / "metrics.csv")
    below = columns["evaluation/return_mean"] - columns["evaluation/value_estimate"]
    assert np.all(below > -2e-3)  # sampling error
    assert columns["policy/largest_change"][-1] < 1e-6


def test_cqls_two_equations_give_one_policy_and_estimates_that_differ_by_alpha(tmp_path: Path) -> None:
    runs = {
        variant: train(
            CQL.make(small_mdp(), [0], CQLConfig(alpha=0.3), variant), task="t", variant=variant, epochs=4, out=tmp_path
        )[0]
        for variant in ("eq1", "eq2")
    }
    first, second = (read_metrics(run.path / "metrics.csv") for run in runs.values())
    np.testing.assert_allclose(first["evaluation/return_mean"], second["evaluation/return_mean"])
    apart = second["evaluation/value_estimate"] - first["evaluation/value_estimate"]
    np.testing.assert_allclose(apart, 0.3 * small_mdp().reward_bound)


def test_a_larger_penalty_or_set_or_doubt_lowers_the_estimate() -> None:
    def estimate(factory: ExactFactory[Any], variant: str = "main", **settings: float) -> float:
        learner = factory.learner(small_mdp(), replace(factory.published, **settings), variant, 0)
        learner.fit_model(None)
        learner.policy = learner.behavior
        return learner.evaluate()["evaluation/value_estimate"]

    assert estimate(RAMBO, budget=4.0) < estimate(RAMBO) < estimate(RAMBO, budget=0.0)
    assert estimate(RAMBO, "whole-budget") < estimate(RAMBO)
    assert estimate(MOREL, threshold=0.01) < estimate(MOREL, threshold=1.0)
    assert estimate(MOREL, threshold=0.01, halt_penalty=2.0) < estimate(MOREL, threshold=0.01)


def test_damos_objective_rises_from_epoch_to_epoch(tmp_path: Path) -> None:
    algorithm = DAMO.make(small_mdp(), [0], DAMOConfig(n_transitions=3000))
    run = train(algorithm, task="t", variant="v", epochs=6, out=tmp_path)[0]
    objective = read_metrics(run.path / "metrics.csv")["policy/objective"]
    assert np.all(np.diff(objective) >= -1e-9)


def test_algaedice_climbs_to_optidices_optimum(tmp_path: Path) -> None:
    algorithm = ALGAEDICE.make(small_mdp(), [0], AlgaeDICEConfig(n_transitions=3000))
    run = train(algorithm, task="t", variant="v", epochs=10, out=tmp_path)[0]
    missing = read_metrics(run.path / "metrics.csv")["policy/below_optimum"]
    assert np.all(np.diff(missing) <= 1e-12)
    assert 0.0 <= missing[-1] < 1e-4 < missing[0]


def test_damo_uses_the_closed_form_on_large_mdps_and_says_so() -> None:
    small, large = (DAMO.make(task_mdp(name, 0.9), [0], DAMOConfig(n_transitions=100)) for name in TASKS_BY_SIZE)
    assert small.config()["closed_form"] is False
    assert large.config()["closed_form"] is True


TASKS_BY_SIZE = ("random-10x3", "gridworld-10x10")


@pytest.mark.parametrize("name", TASKS)
def test_every_task_is_an_mdp_and_always_the_same(name: str) -> None:
    first, second = task_mdp(name, 0.9), task_mdp(name, 0.9)
    np.testing.assert_array_equal(first.dynamics, second.dynamics)
    np.testing.assert_array_equal(first.reward, second.reward)


@pytest.mark.parametrize(
    ("algorithm", "variant"),
    [("ampl", "nw"), ("mopo", "ensemble"), ("damo", "no-er"), ("damo", "inconsistent"), ("bc", "main"), ("cql", "eq2")],
)
def test_the_command_trains_each_algorithm(algorithm: str, variant: str, tmp_path: Path) -> None:
    assert main(["train", algorithm, "random-10x3", "--variant", variant, "--epochs", "1", "--out", str(tmp_path)]) == 0
    folder = tmp_path / "random-10x3" / algorithm / variant / "seed0"
    assert json.loads((folder / "config.json").read_text())["settings"]["discount"] == 0.99
    assert json.loads((folder / "result.json").read_text())["status"] == "finished"


@pytest.mark.parametrize(
    "option", [("--eval-every", "2"), ("--eval-episodes", "2"), ("--common-starts",), ("--eval-workers", "1")]
)
def test_exact_evaluations_take_no_options(
    option: tuple[str, ...], mistake: Callable[..., str], tmp_path: Path
) -> None:
    assert f"{option[0]} is given" in mistake("train", "mopo", "gridworld-5x5", *option, "--out", tmp_path)
    assert not list(tmp_path.iterdir())


def test_bad_names_and_numbers_are_one_line(mistake: Callable[..., str]) -> None:
    assert "Did you mean 'no-er'" in mistake("train", "damo", "frozenlake-8x8", "--variant", "no-err")
    assert "Did you mean 'gridworld-5x5'" in mistake("train", "mopo", "gridwold-5x5")
    with pytest.raises(InvalidArgumentError, match="alpha is 0"):
        DAMOConfig(alpha=0.0)
    with pytest.raises(InvalidArgumentError, match="n_members is 1"):
        MOPOConfig(n_members=1)
    with pytest.raises(InvalidArgumentError, match="alpha is 0"):
        CQLConfig(alpha=0.0)
    with pytest.raises(InvalidArgumentError, match="threshold is 2"):
        MOReLConfig(threshold=2.0)
    with pytest.raises(UnknownNameError, match="tabular mopo"):
        MOPO.make(small_mdp(), [0], MOPOConfig(), "mian")
    with pytest.raises(UnknownNameError, match="task"):
        task_mdp("taxis", 0.9)
