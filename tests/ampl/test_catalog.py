"""What can be trained where: other packages add problems and algorithms, and hide or change none that is built in."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import ampl
from ampl.catalog import algorithm_names, choose
from ampl.command_line.main import main
from ampl.entry_points import ALGORITHMS, PROBLEMS
from ampl.errors import BrokenEntryPointError, InvalidArgumentError, MissingPackageError, UnknownNameError
from tests.ampl.fake_algorithm import FakeFactory, FakeProblems, announce_fake
from tests.ampl.plugin_packages import install

MODULE = """
from tests.ampl.fake_algorithm import FakeAlgorithm, FakeFactory

class Factory(FakeFactory):
    def build(self, *arguments):
        built = super().build(*arguments)
        built.name = "walk"
        return built

class Problems:
    kind = "finite"

    def names(self):
        return ["frozenlake-4x4", "mine"]

    def load(self, name):
        return name

FACTORY, PROBLEMS = Factory(), Problems()
"""


class FiniteProblems(FakeProblems):
    kind = "finite"

    def names(self) -> list[str]:
        return ["door"]


FINITE, OTHER = FiniteProblems(), FakeFactory()


def add(monkeypatch: pytest.MonkeyPatch, folder: Path, package: str, algorithms: list[str]) -> None:
    """Installs a package with algorithms and with two finite problems, one of which is built in."""
    module = package.replace("-", "_")
    monkeypatch.delitem(sys.modules, module, raising=False)
    announced = {
        ALGORITHMS: dict.fromkeys(algorithms, f"{module}:FACTORY"),
        PROBLEMS: {module: f"{module}:PROBLEMS"},
    }
    install(monkeypatch, folder, package, announced, {module: MODULE})


def test_an_algorithm_is_looked_up_by_its_name_and_the_kind_of_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    finite = EntryPoint("here", f"{__name__}:FINITE", PROBLEMS)
    other = EntryPoint("finite.fake", f"{__name__}:OTHER", ALGORITHMS)
    announce_fake(monkeypatch, finite, other)
    assert choose("fake", "door", None).factory is OTHER
    assert choose("fake", "maze-small", "fancy").factory is not OTHER
    assert (choose("fake", "door", None).variant, choose("fake", "door", "fancy").variant) == ("plain", "fancy")


def test_a_source_finds_problems_that_it_does_not_list(monkeypatch: pytest.MonkeyPatch) -> None:
    class Doors(FiniteProblems):
        def finds(self, name: str) -> bool:
            return name.startswith("door-")

    monkeypatch.setattr(f"{__name__}.FINITE", Doors())
    announce_fake(
        monkeypatch,
        EntryPoint("here", f"{__name__}:FINITE", PROBLEMS),
        EntryPoint("finite.bc", f"{__name__}:OTHER", ALGORITHMS),
    )
    assert choose("bc", "door-17", None).task == "door-17"
    with pytest.raises(UnknownNameError, match=r"Did you mean 'door'\? Valid: door, maze-large, maze-small\."):
        choose("bc", "doors", None)


def test_mistakes_list_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    announce_fake(
        monkeypatch,
        EntryPoint("here", f"{__name__}:FINITE", PROBLEMS),
        EntryPoint("finite.bc", f"{__name__}:OTHER", ALGORITHMS),
    )
    with pytest.raises(UnknownNameError, match=r"'dor'. Did you mean 'door'\? Valid: door, maze-large, maze-small\."):
        choose("bc", "dor", None)
    with pytest.raises(UnknownNameError, match=r"unknown algorithm 'fak'. Did you mean 'fake'\? Valid: bc, fake\."):
        choose("fak", "door", None)
    with pytest.raises(InvalidArgumentError, match=r"'fake' does not run on task 'door'; available there: bc\."):
        choose("fake", "door", None)
    with pytest.raises(UnknownNameError, match=r"bc 'plan'. Did you mean 'plain'\? Valid: fancy, plain\."):
        choose("bc", "door", "plan")
    monkeypatch.setattr("ampl.entry_points.entry_points", lambda group: [])
    with pytest.raises(MissingPackageError, match=r"Reinstall ampl-testbed"):
        choose("bc", "door", None)


@pytest.mark.parametrize("package", ["aaa-package", "zzz-package"])
def test_a_package_adds_to_what_is_built_in_and_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], package: str
) -> None:
    deep, finite = (ampl.load_problem(task) for task in ("hopper-medium-v2", "frozenlake-4x4"))
    add(monkeypatch, tmp_path, package, ["continuous.walk", "finite.walk", "finite.mopo"])
    for before in (deep, finite):
        after = ampl.load_problem(before.name)
        assert after.algorithms == {**before.algorithms, "walk": ("plain", "fancy")}
        for algorithm, variants in before.algorithms.items():
            for variant in variants:
                assert type(choose(algorithm, before.name, variant).factory).__module__.startswith(
                    ("tabular.", "continuous.")
                )
    assert ampl.load_problem("mine").algorithms.keys() == ampl.load_problem("frozenlake-4x4").algorithms.keys()
    out = ["--out", str(tmp_path / "runs"), "--epochs", "1"]
    capsys.readouterr()
    assert main(["train", "mopo", "gridworld-5x5", *out]) == 0
    (line,) = (each for each in capsys.readouterr().err.splitlines() if package in each)
    assert line == (
        f"ampl: warning: the algorithm 'finite.mopo' of {package} is not used: ampl-testbed has one of that name"
    )
    assert main(["train", "walk", "frozenlake-4x4", *out]) == 0  # a built-in problem, by the plugin's algorithm
    assert f"the task 'frozenlake-4x4' of {package} is not used: ampl-testbed has one" in capsys.readouterr().err


def test_two_packages_of_one_name_are_named_and_stop_only_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for package in ("one-package", "other-package"):
        add(monkeypatch, tmp_path, package, ["continuous.walk"])
    both = "one-package and other-package. Uninstall all but one of them."
    with pytest.raises(BrokenEntryPointError, match=f"the algorithm 'continuous.walk' is announced by {both}"):
        choose("walk", "hopper-medium-v2", None)
    with pytest.raises(BrokenEntryPointError, match=f"the task 'mine' is announced by {both}"):
        choose("mopo", "mine", None)
    assert main(["train", "walk", "hopper-medium-v2", "--out", str(tmp_path / "runs")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(both)
    assert not (tmp_path / "runs").exists()
    assert "walk" in algorithm_names()["continuous"]
    assert "walk" not in ampl.load_problem("hopper-medium-v2").algorithms
    assert main(["train", "mopo", "gridworld-5x5", "--epochs", "1", "--out", str(tmp_path / "runs")]) == 0


def test_of_many_names_an_error_shows_the_nearest() -> None:
    error = str(UnknownNameError("task", "room7", [f"room-{index}" for index in range(30)]))
    assert "Did you mean 'room-7'?" in error
    assert "room-7" in error.split("Valid:")[1]
    assert error.count("room-") == 1 + 10
    assert error.endswith("and 20 others.")
