"""`ampl train --set` and `ampl settings`: a setting is checked first, stands in the run's path, and comes back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ampl.command_line.main import main
from tests.ampl.fake_algorithm import announce_fake


@pytest.fixture(autouse=True)
def announce(monkeypatch: pytest.MonkeyPatch) -> None:
    announce_fake(monkeypatch)


def train(out: Path, *options: str) -> int:
    return main(["train", "fake", "maze-small", "--out", str(out), *options])


def test_a_run_with_settings_is_built_recorded_and_evaluated_with_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path, "--set", "step_size=0.50", "size=3", "--seeds", "0,1") == 0
    folder = tmp_path / "maze-small" / "fake" / "plain,step_size=0.5"  # size is as published, and is not named
    assert [path.name for path in tmp_path.glob("*/*/*")] == [folder.name]
    config = json.loads((folder / "seed1" / "config.json").read_text())
    assert config["variant"] == "plain"
    assert config["scale"]["settings"] == {"step_size": 0.5}
    assert config["settings"]["step_size"] == 0.5
    assert json.loads((folder / "seed1" / "manifest.json").read_text())["settings"] == {"step_size": 0.5}
    assert "fake on maze-small, plain, step_size=0.5: last epoch" in " ".join(capsys.readouterr().out.split())
    assert main(["evaluate", str(folder)]) == 0
    assert "plain, step_size=0.5: evaluated again" in " ".join(capsys.readouterr().out.split())
    last = json.loads((folder / "seed0" / "result.json").read_text())["metrics"]
    measured = json.loads((folder / "seed0" / "evaluation.json").read_text())["metrics"]
    assert measured.items() <= last.items()


def test_one_setting_written_in_two_ways_is_one_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(tmp_path, "--set", "step_size=0.5") == 0
    assert train(tmp_path, "--set", "step_size=5e-1") == 2
    assert "already holds a run. Add --resume" in capsys.readouterr().err
    assert train(tmp_path, "--set", "step_size=5e-1", "--resume", "--epochs", "5") == 0
    assert len(list(tmp_path.glob("*/*/*"))) == 1


def test_settings_as_published_are_the_published_run(tmp_path: Path) -> None:
    assert train(tmp_path, "--set", "step_size=0.1") == 0
    assert [path.name for path in tmp_path.glob("*/*/*")] == ["plain"]


def test_the_option_may_be_repeated(tmp_path: Path) -> None:
    assert train(tmp_path, "--set", "step_size=0.5", "--set", "size=4") == 0
    assert [path.name for path in tmp_path.glob("*/*/*")] == ["plain,model.size=4,step_size=0.5"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["step_sise=1"], "Did you mean 'step_size'?"),
        (["step_size=big"], "setting step_size=big: expected a number."),
        (["step_size=-1"], "setting step_size=-1: step_size is -1.0; expected at least 0."),
        (["step_size=1", "step_size=2"], "--set has step_size twice"),
        (["step_size"], "expected KEY=VALUE"),
        ([], "expected KEY=VALUE"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], words: str
) -> None:
    assert train(tmp_path / "runs", "--set", *options) == 2
    out, err = capsys.readouterr()
    assert words in err
    assert (out, err.count("\n")) == ("", 1)
    assert not (tmp_path / "runs").exists()


def test_the_table_has_value_default_source_type_and_meaning(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings", "fake", "maze-small", "--variant", "fancy"]) == 0
    lines = [line.split(maxsplit=4) for line in capsys.readouterr().out.splitlines()]
    assert lines == [
        ["fake", "on", "maze-small,", "variant", "fancy: with more of it"],
        ["KEY", "VALUE", "DEFAULT", "FROM", "MEANING"],
        ["step_size", "0.1", "0.1", "default", "a number: of the walk"],
        ["fancy", "true", "variant", "true", "or false"],
        ["model.size", "3", "3", "default", "an integer: numbers"],
        [],
        ["VARIANT", "IS"],
        ["plain", "as", "it", "is"],
        ["fancy", "with", "more", "of", "it"],
    ]


def test_json_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["settings", "fake", "maze-small", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["algorithm"], found["task"], found["variant"]) == ("fake", "maze-small", "plain")
    by_key = {setting.pop("key"): setting for setting in found["settings"]}
    assert by_key["fancy"] == {"value": False, "from": "task", "takes": "true or false", "meaning": ""}
    assert by_key["model.size"]["default"] == 3
    assert main(["settings", "fake", "maze-smal"]) == 2
    assert "Did you mean 'maze-small'?" in capsys.readouterr().err
