"""`ampl train --record never` forbids recorded steps inside the training, and only there."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from ampl.command_line.main import main
from ampl.interfaces import Metrics
from ampl.step_recording import step_recording, step_recording_allowed
from tests.ampl.fake_algorithm import FakeAlgorithm, announce_fake


@pytest.mark.parametrize(
    ("options", "allowed"), [((), True), (("--record", "auto"), True), (("--record", "never"), False)]
)
def test_the_option_holds_for_the_whole_training(
    options: tuple[str, ...], allowed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    for name in ("__init__", "fit_model", "improve_policy"):
        monkeypatch.setattr(FakeAlgorithm, name, noting(getattr(FakeAlgorithm, name), seen))
    announce_fake(monkeypatch)
    assert main(["train", "fake", "maze-small", "--out", str(tmp_path), "--epochs", "2", *options]) == 0
    assert seen == [allowed] * 4
    assert step_recording_allowed()


def noting(method: object, seen: list[bool]) -> object:
    def noted(*arguments: object, **options: object) -> Sequence[Metrics]:
        seen.append(step_recording_allowed())
        return method(*arguments, **options)  # type: ignore[operator, no-any-return]

    return noted


def test_inside_another_the_inner_one_holds() -> None:
    with step_recording(False):
        with step_recording(True):
            assert step_recording_allowed()
        assert not step_recording_allowed()
    assert step_recording_allowed()
