"""The words that start the program again, however it was called."""

import sys
from pathlib import Path

import pytest

from ampl.command_line.program import command_with, program
from ampl.runs.manifest import describe_session


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed `ampl`, called with two words."""
    script = tmp_path / "my bin" / "ampl"
    script.parent.mkdir()
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    monkeypatch.setattr(sys, "argv", [str(script), "train", "x y"])
    monkeypatch.setattr(sys, "orig_argv", ["/usr/bin/python3", str(script), "train", "x y"])
    return script


def test_a_script_on_the_path_is_its_name(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(script.parent))
    assert program() == ["ampl"]
    assert command_with(["train", "x y"], ["--resume"]) == "ampl train 'x y' --resume"
    assert command_with(["train", "--resume", "x"], ["--resume"]) == "ampl train --resume x"
    assert command_with(["a\n'b\x1b", "\udc80é"], []) == r"ampl $'a\x0a\x27b\x1b' $'\x80\xc3\xa9'"  # as bash has it
    assert command_with(["data", "train-behavior", "hopper"], []) == "ampl data train-behavior hopper"


@pytest.mark.parametrize("path", ["/nowhere", "other"])
def test_a_script_that_the_path_does_not_find_keeps_its_folder(
    script: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    other = script.parents[1] / "other"
    other.mkdir()
    (other / "ampl").write_text("")
    (other / "ampl").chmod(0o755)
    monkeypatch.setenv("PATH", str(other) if path == "other" else path)
    assert program() == [str(script)]
    assert command_with([], ["--resume"]) == f"'{script}' --resume"
    assert describe_session("cpu", None)["command"] == "ampl train 'x y'"  # manifests do not say where it lies


def test_a_module_is_called_by_python(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/lib/ampl/__main__.py", "verify", "--seed", "3"])
    monkeypatch.setattr(sys, "orig_argv", ["/opt/python3", "-X", "dev", "-m", "ampl", "verify", "--seed", "3"])
    assert program() == ["/opt/python3", "-X", "dev", "-m", "ampl"]
    assert describe_session("cpu", None)["command"] == "python3 -X dev -m ampl verify --seed 3"
