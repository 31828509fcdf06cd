"""What can be trained where: wings of other packages add to the built-in ones and never hide or replace them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from ampl.catalog import choose, installed_wings, variants_of, wings_with
from ampl.entry_points import WINGS, announced
from ampl.errors import InvalidArgumentError, MissingPackageError, UnknownNameError
from tests.ampl.fake_algorithm import FakeWing

PLUGIN = """
from tests.ampl.test_catalog import OtherWing
WING = OtherWing(["hopper-medium-v2"], {"bc": ["plain"], "mopo": ["main", "mine"]})
"""


class OtherWing(FakeWing):
    def __init__(self, tasks: Sequence[str], algorithms: Mapping[str, Sequence[str]]) -> None:
        self._tasks, self._algorithms = tasks, algorithms

    def tasks(self) -> Sequence[str]:
        return self._tasks

    def algorithms(self) -> Mapping[str, Mapping[str, str]]:
        return {name: dict.fromkeys(variants, "of a test") for name, variants in self._algorithms.items()}


FIRST, SECOND = OtherWing(["maze", "door"], {"mopo": ["main"]}), OtherWing(["maze", "key"], {"bc": ["plain", "wide"]})
TWO = {"first": FIRST, "second": SECOND}


def announce(folder: Path, package: str, wing: str) -> None:
    """Installs a package that announces a wing."""
    information = folder / f"{package}-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[ampl.wings]\n{wing} = {package}:WING\n")
    (folder / f"{package}.py").write_text(PLUGIN)


def test_of_wings_with_the_same_task_that_with_the_algorithm_is_taken() -> None:
    assert choose(TWO, "mopo", "maze", None).wing is FIRST
    found = choose(TWO, "bc", "maze", None)
    assert (found.wing, found.variant) == (SECOND, "plain")
    assert choose(TWO, "bc", "key", "wide").variant == "wide"


def test_mistakes_list_what_all_wings_have() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown task 'kye'. Did you mean 'key'\? Valid: door, key, maze\."):
        choose(TWO, "bc", "kye", None)
    with pytest.raises(UnknownNameError, match=r"unknown algorithm 'moop'. Did you mean 'mopo'\? Valid: bc, mopo\."):
        choose(TWO, "moop", "key", None)
    with pytest.raises(InvalidArgumentError, match=r"'bc' does not run on task 'door'; available there: mopo\."):
        choose(TWO, "bc", "door", None)
    third = OtherWing(["maze"], {"bc": ["deep"]})
    with pytest.raises(UnknownNameError, match=r"bc 'dep'. Did you mean 'deep'\? Valid: deep, plain, wide\."):
        choose(TWO | {"third": third}, "bc", "maze", "dep")
    with pytest.raises(MissingPackageError):
        choose({}, "bc", "maze", None)


@pytest.mark.parametrize("name", ["aaa", "continuous_too", "zzz"])
def test_a_package_adds_an_algorithm_and_variants_to_built_in_tasks_and_hides_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    before = installed_wings()
    announce(tmp_path, "other_package", name)
    monkeypatch.syspath_prepend(str(tmp_path))
    wings = installed_wings()
    assert list(wings) == ["continuous", "tabular", name]
    task = "hopper-medium-v2"
    assert choose(wings, "bc", task, None).wing is wings[name]
    for algorithm, variants in before["continuous"].algorithms().items():
        assert choose(wings, algorithm, task, None) == choose(before, algorithm, task, None)
        for variant in variants:
            assert choose(wings, algorithm, task, variant).wing is before["continuous"]
    assert choose(wings, "mopo", task, "mine").wing is wings[name]
    assert variants_of(wings_with(wings, task))["mopo"] == [*before["continuous"].algorithms()["mopo"], "mine"]


def test_a_package_cannot_take_the_name_of_a_built_in_wing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    before = announced(WINGS)
    announce(tmp_path, "other_package", "continuous")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert {name: entry.value for name, entry in announced(WINGS).items()} == {
        name: entry.value for name, entry in before.items()
    }
    assert "the wing 'continuous' of other_package is not used: ampl-testbed has one of that name" in caplog.text
