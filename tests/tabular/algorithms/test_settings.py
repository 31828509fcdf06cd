"""A setting of an exact algorithm reaches the run: its path, its record, its results, and its evaluation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import ampl
from ampl.command_line.main import main
from tabular.mdps.generators import random_mdp
from tabular.mdps.mdp import FiniteMDP
from tabular.mdps.mdp_files import save_mdp

SETTINGS = {
    "mopo": "penalty_share=0.5",
    "damo": "alpha=1",
    "ampl": "value_weight=1",
    "bc": "behavior_epsilon=0.9",
    "cql": "alpha=1",
    "combo": "beta=1",
    "morel": "threshold=0.1",
    "rambo": "budget=2",
}

VALUES = {
    "damo": "policy/objective",
    "algaedice": "policy/objective",
    "cql": "evaluation/value_estimate",
    "rambo": "evaluation/value_estimate",
}


@pytest.mark.parametrize("algorithm", SETTINGS)
def test_a_setting_changes_what_is_trained(tmp_path: Path, algorithm: str) -> None:
    options = [algorithm, "random-10x3", "--epochs", "2", "--out", str(tmp_path)]
    assert main(["train", *options]) == 0
    assert main(["train", *options, "--set", SETTINGS[algorithm], "n_transitions=500"]) == 0
    folder = tmp_path / "random-10x3" / algorithm
    changed = next(path for path in folder.iterdir() if path.name != "main") / "seed0"
    assert changed.parent.name == ",".join(["main", *sorted(["n_transitions=500", SETTINGS[algorithm]])])
    [key, value] = SETTINGS[algorithm].split("=")
    assert json.loads((changed / "config.json").read_text())["settings"][key] == float(value)
    results = [
        json.loads((path / "result.json").read_text())["metrics"] for path in (folder / "main" / "seed0", changed)
    ]
    assert results[0] != results[1]
    assert main(["evaluate", str(changed)]) == 0
    measured = json.loads((changed / "evaluation.json").read_text())["metrics"]
    assert measured.items() <= results[1].items()


@pytest.mark.parametrize("setting", ["behavior_epsilon=0", "behavior_smoothing=0", "cell_share=0"])
def test_settings_without_which_nothing_is_finite_are_refused_at_once(
    setting: str, tmp_path: Path, mistake: Callable[..., str]
) -> None:
    for algorithm in ("bc", "ampl"):
        message = mistake("train", algorithm, "gridworld-5x5", "--set", setting, "--out", tmp_path / "runs")
        assert f"{setting.partition('=')[0]} is 0.0; expected more than 0" in message
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("algorithm", VALUES)
def test_results_scale_with_the_reward(algorithm: str, tmp_path: Path) -> None:
    """Settings are in units of r_max, so that the unit of the reward changes nothing else, however small it is."""
    mdp, found = random_mdp(6, 3, np.random.default_rng(0), discount=0.9), []
    for name, unit in {"one": 1.0, "small": 2.0**-40}.items():
        path = tmp_path / f"{name}.npz"
        save_mdp(path, FiniteMDP(mdp.dynamics, mdp.reward * unit, mdp.initial, mdp.discount))
        (run,) = ampl.train(algorithm, data=path, epochs=3, settings={"n_transitions": 500}, out=tmp_path)
        found.append([run.result.metrics[key] / unit for key in ("evaluation/return_mean", VALUES[algorithm])])
    np.testing.assert_allclose(*found, rtol=1e-6)
