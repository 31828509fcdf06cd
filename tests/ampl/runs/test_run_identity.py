"""When two configurations are one run: the length does not count, what follows from it does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ampl.command_line.main import main
from ampl.runs.run_identity import difference_between_runs, same_length, telling_settings
from tests.ampl.fake_algorithm import announce_fake
from tests.ampl.runs.interruption import run_bytes


def config(epochs: int, *, asked: int | None = None, scaled: bool = True, **settings: Any) -> dict[str, Any]:
    schedule = {"kind": "Schedule", "epochs": epochs, "warm_start_epochs": settings.pop("warm_start", 1)}
    data = {"sha256": "abc", "scaled": scaled}
    return {"task": "maze", "scale": {"epochs": asked}, "settings": {"data": data, "schedule": schedule, **settings}}


def test_a_longer_run_is_the_same_one() -> None:
    short, long = config(10, asked=10), config(1000, scaled=False)
    assert difference_between_runs(short, long) is None
    assert not same_length(short, long)
    assert same_length(short, config(10, asked=10))
    assert difference_between_runs({"task": "maze"}, {"task": "maze", "scale": {"epochs": 3}}) is None  # an exact run


def test_earlier_names_of_known_weights_mean_the_same_and_damaged_ones_stay() -> None:
    for before, now in ((True, "exact"), (False, "none")):
        assert telling_settings(config(1, exact_weights=before)) == telling_settings(config(1, known_weights=now))
    assert telling_settings(config(1, exact_weights=[3]))["exact_weights"] == [3]


def test_evaluations_of_one_run_are_alike_but_as_frequent_as_one_likes() -> None:
    plain, asked = config(10), config(10)
    asked["scale"] |= {"evaluation_period": 3, "evaluation_episodes": None, "common_starts": False}
    assert difference_between_runs(plain, asked) is None
    asked["scale"] |= {"evaluation_episodes": 3}
    assert difference_between_runs(plain, asked) == "scale.evaluation_episodes is None there and 3 here"
    starts = config(10)
    starts["scale"] |= {"common_starts": True}
    assert difference_between_runs(starts, plain) == "scale.common_starts is True there and False here"


def test_what_follows_from_the_length_is_named() -> None:
    found = difference_between_runs(config(10), config(20, warm_start=2))
    assert found is not None
    assert found.startswith("settings.schedule.warm_start_epochs is 1 there and 2 here. The number of epochs differs, ")
    assert "(10 there, 20 here)" in found
    found = difference_between_runs(config(10, step=0.1), config(10, step=0.2))
    assert found == "settings.step is 0.1 there and 0.2 here"
    assert difference_between_runs(config(10), config(10, decay=5)) == "settings.decay is 'absent' there and 5 here"


@pytest.mark.parametrize("damaged", [None, [], 3, {"settings": None}])
def test_configurations_of_any_shape_differ(damaged: Any) -> None:
    assert difference_between_runs(damaged, config(10)) is not None


def test_a_finished_run_is_extended_and_its_configuration_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    announce_fake(monkeypatch)

    def trained(out: str, *options: str) -> Path:
        assert main(["train", "fake", "maze-small", "--out", str(tmp_path / out), *options]) == 0
        return tmp_path / out / "maze-small" / "fake" / "plain" / "seed0"

    trained("parts", "--epochs", "2")
    parts, whole = trained("parts", "--epochs", "5", "--resume"), trained("whole", "--epochs", "5")
    assert run_bytes(parts, 5) == run_bytes(whole, 5)
    for name in ("config.json", "result.json"):
        assert (parts / name).read_bytes() == (whole / name).read_bytes()
    assert json.loads((parts / "config.json").read_text())["scale"]["epochs"] == 5
    assert main(["evaluate", str(parts)]) == 0
