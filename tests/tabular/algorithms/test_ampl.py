"""Tabular AMPL through the shared driver: the loop, the truth it records, resuming, and its limits."""

import json
from pathlib import Path

import numpy as np
import pytest

from ampl.command_line.commands.evaluate import Evaluate
from ampl.command_line.main import main
from ampl.errors import InvalidArgumentError
from ampl.runs.metrics_table import read_metrics
from ampl.training import train
from tabular.algorithms.ampl import AMPL, AMPLConfig, AMPLLearner
from tabular.algorithms.exact_algorithm import ExactAlgorithm
from tabular.algorithms.offline_learner import tied_cells
from tabular.exact.occupancy import action_value, expected_return
from tabular.exact.policy import uniform_policy
from tabular.mdps.environments import environment_mdp
from tabular.mdps.generators import chain_mdp
from tabular.weights.estimators.moments import QMoment
from tabular.weights.estimators.problem import EstimationProblem
from tabular.weights.operator import exact_weights
from tests.ampl.runs.interruption import run_bytes, train_and_kill


def algorithm(seeds: list[int], *, weighted: bool = True) -> ExactAlgorithm:
    config = AMPLConfig(n_transitions=2000, retrain_period=2)
    return AMPL.make(environment_mdp("frozenlake-4x4"), seeds, config, "main" if weighted else "nw")


def test_the_same_seed_gives_the_same_bytes_alone_and_beside_others(tmp_path: Path) -> None:
    alone = train(algorithm([3]), task="t", variant="v", epochs=5, out=tmp_path / "a")
    among = train(algorithm([1, 3]), task="t", variant="v", epochs=5, out=tmp_path / "b")
    first, second = (run.path / "metrics.csv" for run in (alone[0], among[1]))
    assert first.read_bytes() == second.read_bytes()


def test_two_halves_with_a_resume_equal_one_run(tmp_path: Path) -> None:
    whole = train(algorithm([0]), task="t", variant="v", epochs=6, out=tmp_path / "whole")
    train(algorithm([0]), task="t", variant="v", epochs=3, out=tmp_path / "halves")
    halves = train(algorithm([0]), task="t", variant="v", epochs=6, out=tmp_path / "halves", resume=True)
    assert (whole[0].path / "metrics.csv").read_bytes() == (halves[0].path / "metrics.csv").read_bytes()


def test_the_lower_bound_is_one_and_the_policy_beats_uniform(tmp_path: Path) -> None:
    mdp = chain_mdp(6, discount=0.9, slip=0.1)
    config = AMPLConfig(n_transitions=20_000, cell_share=1.0)
    run = train(AMPL.make(mdp, [0], config), task="chain", variant="main", epochs=8, out=tmp_path)
    columns = read_metrics(run[0].path / "metrics.csv")
    assert np.all(columns["evaluation/lower_bound"] <= columns["evaluation/return_mean"])
    assert columns["evaluation/return_mean"][-1] > expected_return(mdp, uniform_policy(mdp))


def test_estimated_weights_have_mean_one_and_are_ones_in_the_unweighted_variant() -> None:
    weighted, plain = algorithm([0]), algorithm([0], weighted=False)
    for learner in (weighted, plain):
        learner.fit_model(None)
        learner.improve_policy(1)
    assert np.mean(weighted.estimate_weights()[0]) == pytest.approx(1.0)
    assert np.ptp(weighted.estimate_weights()[0]) > 0.1
    assert np.all(plain.estimate_weights()[0] == 1.0)


def test_each_kind_of_weights_is_what_it_is_called() -> None:
    """The moment's weights solve Eq. 10 on the data, negative ones cut off; the exact ones are the true MDP's."""
    config = AMPLConfig(n_transitions=2000)
    mdp = environment_mdp("frozenlake-4x4")
    for variant in ("one-moment", "exact-weights"):
        learner = AMPLLearner(mdp, config, variant, 0)
        learner.fit_model(None)
        learner.improve_policy()
        rows = learner.estimate_weights()
        assert rows.mean() == pytest.approx(1.0)
        if variant == "exact-weights":
            exact = exact_weights(mdp, learner.policy, learner.behavior).ravel()[learner.data.pair]
            assert rows == pytest.approx(exact / exact.mean())
            continue
        problem = EstimationProblem.from_dataset(learner.data, mdp.reward, learner.policy, mdp.discount)
        value = action_value(learner.model, learner.policy)
        solved = QMoment(test_function=value).estimate(problem)
        owed = problem.flow_residual(solved.weights[problem.support] * solved.mean) @ value[problem.support]
        assert owed == pytest.approx(0.0, abs=1e-10)
        kept = np.maximum(solved.weights, 0.0).ravel()[learner.data.pair]
        assert rows == pytest.approx(kept / kept.mean())


def test_absorbing_states_share_their_rows_with_no_other_state() -> None:
    mdp = environment_mdp("frozenlake-4x4")
    cells = tied_cells(mdp, 0.25)
    for state in np.flatnonzero(mdp.absorbing):
        others = np.delete(cells, state, axis=0)
        assert not np.isin(cells[state], others).any()


def test_the_command_trains_and_refuses_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "ampl", "frozenlake-4x4", "--epochs", "2"]) == 0
    assert (tmp_path / "runs/frozenlake-4x4/ampl/main/seed0/result.json").exists()
    capsys.readouterr()
    assert main(["train", "ampl", "frozenlake-4x4", "--device", "cuda", "--out", "other"]) == 2
    assert "Use --device cpu" in capsys.readouterr().err


def test_the_command_refuses_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for option in ("--steps-per-epoch", "--miw-steps", "--model-steps"):
        assert main(["train", "ampl", "frozenlake-4x4", option, "100", "--out", str(tmp_path)]) == 2
        assert capsys.readouterr().err == (
            f"ampl: error: {option} is given; finite problems are solved exactly, without steps. Leave it out.\n"
        )
    assert not list(tmp_path.iterdir())


def test_a_run_killed_through_the_command_line_continues_bit_for_bit(tmp_path: Path) -> None:
    arguments = ["ampl", "frozenlake-4x4", "--seeds", "0,1", "--threads", "1"]
    path = "frozenlake-4x4/ampl/main/seed1"
    killed = train_and_kill(
        *arguments, "--epochs", "100000", "--out", str(tmp_path / "killed"), run=tmp_path / "killed" / path, epoch=12
    )
    epochs = str(killed + 3)  # exact runs can be extended, and ended early
    assert main(["train", *arguments, "--epochs", epochs, "--out", str(tmp_path / "killed"), "--resume"]) == 0
    assert main(["train", *arguments, "--epochs", epochs, "--out", str(tmp_path / "whole")]) == 0
    assert run_bytes(tmp_path / "killed" / path, killed + 3) == run_bytes(tmp_path / "whole" / path, killed + 3)


def test_a_run_is_evaluated_again_exactly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "ampl", "frozenlake-4x4", "--epochs", "3", "--out", str(tmp_path)]) == 0
    run = tmp_path / "frozenlake-4x4/ampl/main/seed0"
    with pytest.raises(InvalidArgumentError, match="runs no episodes"):
        Evaluate(run_directory=run, episodes=10).run()
    assert not (run / "evaluation.json").exists()
    assert Evaluate(run_directory=run).run() == 0
    result = json.loads((run / "result.json").read_text())["metrics"]
    measured = json.loads((run / "evaluation.json").read_text())["metrics"]
    assert measured == {name: value for name, value in result.items() if name.startswith("evaluation/")}
