"""A setting of an exact algorithm reaches the run: its path, its record, its results, and its evaluation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ampl.command_line.main import main

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
