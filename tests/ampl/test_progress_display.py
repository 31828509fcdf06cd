"""Progress: a line now and then without a terminal, nothing for short work, one display at a time."""

from __future__ import annotations

import io
import sys

import pytest

import ampl.progress
from ampl.errors import InvalidArgumentError
from ampl.progress import progress


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(ampl.progress.time, "monotonic", clock)
    return clock


def test_short_work_says_nothing(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress("claims", 2) as bar:
        clock.now = 2.9
        bar.advance(2)
    assert capsys.readouterr() == ("", "")


def test_long_work_says_a_line_every_half_minute(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress("claims", 100) as bar:
        for second in range(1, 101):
            clock.now = float(second)
            bar.advance()
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "claims: 3/100, 1/s, 1 min 37 s left",
        "claims: 33/100, 1/s, 1 min 07 s left",
        "claims: 63/100, 1/s, 37 s left",
        "claims: 93/100, 1/s, 7 s left",
        "claims: 100/100, 1/s, done in 1 min 40 s",
    ]


def test_a_display_inside_another_is_silent(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress("outer", 1) as outer:
        with progress("inner", 5) as inner:
            clock.now = 50.0
            inner.advance(5)
        outer.advance()
    assert "inner" not in capsys.readouterr().err


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with progress("claims", 2) as bar:
        bar.advance(2)
    assert "claims" in terminal.getvalue()
    assert "2/2" in terminal.getvalue()


def test_a_negative_total_is_an_error() -> None:
    with pytest.raises(InvalidArgumentError, match="claims"), progress("claims", -1):
        pass


def test_an_error_in_the_body_comes_out(clock: Clock) -> None:
    with pytest.raises(KeyError), progress("claims", 1):
        raise KeyError
    with progress("claims", 1) as bar:  # and the next display is not taken for an inner one
        assert not isinstance(bar, ampl.progress._Silent)
