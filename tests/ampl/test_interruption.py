"""Ctrl-C and SIGTERM: one line and the exit code, a checkpoint first where one trains, and the command that goes on."""

from __future__ import annotations

import copy
import shlex
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest

import ampl.interruption
from ampl.arithmetic import Arithmetic
from ampl.command_line.main import main
from ampl.errors import UnknownNameError
from ampl.interfaces import Metrics
from ampl.interruption import Interruption, saving_first, stop_requested
from ampl.runs.checkpoints import checkpoint_epochs
from ampl.scale import Scale
from tests.ampl.fake_algorithm import FakeAlgorithm, FakeFactory, announce_fake
from tests.ampl.runs.interruption import run_bytes

RUN = Path("maze-small/fake/plain/seed0")
BOTH = [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]


class SignalledAlgorithm(FakeAlgorithm):
    """Gets some signals in the middle of one epoch."""

    signals: Sequence[int] = ()
    in_epoch = 2

    def improve_policy(self, epoch: int) -> Sequence[Metrics]:
        for number in self.signals if epoch == self.in_epoch else ():
            signal.raise_signal(number)
        return super().improve_policy(epoch)


class SignalledFactory(FakeFactory):
    signals: Sequence[int] = ()
    while_building = False

    def build(
        self, problem: str, variant: str, seeds: Sequence[int], device: str, scale: Scale, arithmetic: Arithmetic
    ) -> FakeAlgorithm:
        if self.while_building:
            for number in self.signals:
                signal.raise_signal(number)
        built = SignalledAlgorithm(seeds)
        built.signals = self.signals
        return built


@pytest.fixture
def factory(monkeypatch: pytest.MonkeyPatch) -> SignalledFactory:
    """The only algorithm of `ampl train`."""
    factory = SignalledFactory()
    announce_fake(monkeypatch, factory=factory)
    return factory


def train_command(out: Path) -> list[str]:
    return ["train", "fake", "maze-small", "--epochs", "5", "--out", str(out)]


@pytest.mark.parametrize(("number", "code", "word"), BOTH)
def test_a_signal_in_an_epoch_lets_it_end_and_the_line_says_how_to_go_on(
    factory: SignalledFactory, tmp_path: Path, capsys: pytest.CaptureFixture[str], number: int, code: int, word: str
) -> None:
    out = tmp_path / "my  'own' runs"
    factory.signals = [number]
    assert main(train_command(out)) == code
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"ampl: {word}; to go on: ")
    words = shlex.split(line.partition("to go on: ")[2])
    assert words[words.index("train") :] == [*train_command(out), "--resume"]
    assert checkpoint_epochs(out / RUN / "checkpoint")[0] == 2
    assert not (out / RUN / "result.json").exists()

    factory.signals = []
    assert main(words[words.index("train") :]) == 0
    assert main(train_command(tmp_path / "whole")) == 0
    assert run_bytes(out / RUN, 5) == run_bytes(tmp_path / "whole" / RUN, 5)


@pytest.mark.parametrize(("number", "code", "word"), BOTH)
def test_a_second_signal_ends_it_at_once(
    factory: SignalledFactory, tmp_path: Path, capsys: pytest.CaptureFixture[str], number: int, code: int, word: str
) -> None:
    factory.signals = [number, signal.SIGINT]
    assert main([*train_command(tmp_path), "--checkpoint-seconds", "1e6"]) == code  # the first one says what it was
    assert capsys.readouterr().err.startswith(f"ampl: {word}; to go on: ")
    assert checkpoint_epochs(tmp_path / RUN / "checkpoint") == [0]


def test_a_second_sigterm_does_not_keep_it_from_saving_itself(factory: SignalledFactory, tmp_path: Path) -> None:
    """A scheduler and a sweep may both send one."""
    factory.signals = [signal.SIGTERM, signal.SIGTERM]
    assert main([*train_command(tmp_path), "--checkpoint-seconds", "1e6"]) == 143
    assert checkpoint_epochs(tmp_path / RUN / "checkpoint")[0] == 2


def test_the_callers_alarm_is_not_lost() -> None:
    def work() -> None:
        with saving_first():
            signal.raise_signal(signal.SIGTERM)

    rung: list[int] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    signal.setitimer(signal.ITIMER_REAL, 600.0)
    try:
        with saving_first():
            signal.raise_signal(signal.SIGALRM)
        assert rung == [signal.SIGALRM]
        with pytest.raises(Interruption):
            work()
        assert 500.0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 600.0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    "error", [Interruption(signal.SIGTERM, resume_with=["--resume"]), UnknownNameError("task", "hoper", ["hopper"])]
)
def test_errors_cross_the_border_of_a_process(error: BaseException) -> None:
    there = copy.copy(error)  # by `__reduce__`, as pickle makes it again in another process
    assert (type(there), str(there), vars(there)) == (type(error), str(error), vars(error))


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="this system has no alarms")
def test_the_grace_ends(factory: SignalledFactory, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where no place to stop at comes in time: the alarm ends it as the signal would have."""
    factory.signals = [signal.SIGTERM, signal.SIGALRM]
    assert main(train_command(tmp_path)) == 143
    assert capsys.readouterr().err.endswith(" --resume\n")


def test_the_alarm_of_the_grace_is_set_and_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    alarms: list[int] = []
    monkeypatch.setattr(signal, "alarm", alarms.append, raising=False)

    def work() -> None:
        with saving_first():
            signal.raise_signal(signal.SIGTERM)
            assert stop_requested()

    with pytest.raises(Interruption):
        work()
    assert alarms == [ampl.interruption.GRACE_SECONDS, 0]
    assert not stop_requested()


def test_a_signal_while_the_data_is_read_ends_at_once(
    factory: SignalledFactory, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    factory.signals, factory.while_building = [signal.SIGTERM], True
    assert main([*train_command(tmp_path), "--resume"]) == 143
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("ampl: terminated; to go on: ")
    assert line.count("--resume") == 1


@pytest.mark.parametrize(("number", "code", "word"), BOTH)
def test_a_command_that_does_not_train_ends_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int, code: int, word: str
) -> None:
    monkeypatch.setattr("ampl.command_line.main._run", lambda words: signal.raise_signal(number))
    assert main(["verify"]) == code
    assert capsys.readouterr().err == f"ampl: {word}.\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ignored_signals_stay_ignored_and_handlers_are_put_back(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """As under nohup, or in the background of a shell without job control."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        monkeypatch.setattr("ampl.command_line.main._run", lambda words: signal.raise_signal(number) or 0)
        assert main(["verify"]) == 0
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)
