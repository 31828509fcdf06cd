"""The package in docs/plugins.md, installed as it stands there, is trained, resumed and evaluated."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import numpy as np
import pytest

import ampl
from ampl.command_line.main import main
from ampl.files import read_json
from continuous.data.d4rl_writer import write_d4rl
from tests.continuous.data.d4rl_samples import HOPPER, hopper_data, made_by

PAGE = Path(__file__).resolve().parents[3] / "docs" / "plugins.md"


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installs the package beside a small dataset, and returns a folder for runs."""
    text = PAGE.read_text(encoding="utf-8")
    (metadata,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    (module,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    project = tomllib.loads(metadata)["project"]
    package = str(project["name"]).replace("-", "_")
    information = tmp_path / "packages" / f"{package}-{project['version']}.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 0.1\n")
    announced = [f"{name} = {place}\n" for name, place in project["entry-points"]["ampl.wings"].items()]
    (information / "entry_points.txt").write_text("[ampl.wings]\n" + "".join(announced))
    (tmp_path / "packages" / f"{package}.py").write_text(module)
    monkeypatch.syspath_prepend(str(tmp_path / "packages"))
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path / "data"))
    write_d4rl(tmp_path / "data" / HOPPER.file_name, hopper_data(), made_by(HOPPER))
    return tmp_path / "runs"


def test_the_example_is_trained_resumed_and_evaluated(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--set", "ridge=0.5", "--seeds", "0,1", "--eval-episodes", "2"]
    for out, epochs in (("parts", "1"), ("parts", "3"), ("whole", "3")):
        resume = ["--resume"] if epochs == "3" and out == "parts" else []
        where = ["--epochs", epochs, "--out", str(runs / out), *resume]
        assert main(["train", "bc", "hopper-medium-v2", *options, *where]) == 0
    first, second = (
        [
            (runs / out / "hopper-medium-v2/bc/plain,ridge=0.5" / seed / "metrics.csv").read_bytes()
            for seed in ("seed0", "seed1")
        ]
        for out in ("parts", "whole")
    )
    assert first == second
    assert first[0] != first[1]
    place = runs / "whole/hopper-medium-v2/bc/plain,ridge=0.5"
    assert main(["evaluate", str(place), "--episodes", "1"]) == 0
    assert read_json(place / "seed1" / "evaluation.json")["metrics"]["evaluation/length_steps"] > 0
    states = hopper_data().observations
    assert np.abs(ampl.load_policy(place / "seed1").act(states) - hopper_data().actions).mean() < 1.0
    assert main(["settings", "bc", "hopper-medium-v2"]) == 0
    assert "on the squared entries" in capsys.readouterr().out


def test_the_example_stands_beside_the_built_in_algorithms(runs: Path) -> None:
    assert set(ampl.load_problem("hopper-medium-v2").algorithms) == {"ampl", "bc", "damo", "mopo"}
    assert set(ampl.load_problem("hopper-expert-v2").algorithms) == {"ampl", "damo", "mopo"}
