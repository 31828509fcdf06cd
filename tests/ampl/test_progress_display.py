"""Progress: a line now and then without a terminal, nothing for short work, one display at a time."""

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


def test_what_is_shown_takes_the_place_of_the_rate(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress("epochs", 4) as bar:
        clock.now = 10.0
        bar.show("score 31.5, 812 steps/s")
        bar.advance()
    assert capsys.readouterr().err.splitlines()[0] == "epochs: 1/4, score 31.5, 812 steps/s, 30 s left"


def test_a_display_inside_another_ends_its_line(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with progress("epochs", 2) as outer:
        outer.advance()
        with progress("fit", 100) as inner:
            for second in range(1, 41):
                clock.now = float(second)
                inner.advance()
        clock.now = 50.0
        outer.advance()
    assert capsys.readouterr().err.splitlines() == [
        "epochs: 1/2 > fit: 3/100, 1/s, 1 min 37 s left",
        "epochs: 1/2 > fit: 33/100, 1/s, 1 min 07 s left",
        "epochs: 2/2, 0.04/s, done in 50 s",
    ]


def test_many_short_displays_inside_another_say_no_more_than_a_long_one(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress("epochs", 60) as outer:
        for second in range(60):
            with progress("fit", 1) as inner:
                clock.now = float(second)
                inner.advance()
            outer.advance()
    assert len(capsys.readouterr().err.splitlines()) == 3  # after 3 s, after 33 s, and at the end


def test_of_unknown_length_no_time_is_left_and_nothing_is_said_twice(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress("fit", None) as bar:
        clock.now = 5.0
        bar.advance(10)
    assert capsys.readouterr().err.splitlines() == ["fit: 10, 2/s, 5 s so far"]


def test_a_terminal_gets_bars_and_what_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    with progress("claims", 2) as bar:
        bar.advance(2)
        bar.show("score 31.5, [bold] " + 80 * "x")
        with progress("inner", None):
            pass
    text = terminal.getvalue()
    assert "claims" in text
    assert "2/2" in text
    assert "  inner" in text
    assert "0/?" in text
    assert "score 31.5, [bold] xx" in text
    assert 60 * "x" not in text


def test_a_negative_total_is_an_error() -> None:
    with pytest.raises(InvalidArgumentError, match="claims"), progress("claims", -1):
        pass


def test_an_error_in_the_body_comes_out_and_nothing_is_said_to_be_done(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        clock.now += 10.0
        raise KeyError

    with pytest.raises(KeyError), progress("claims", 1), progress("cases", 1):
        fail()
    with progress("claims", 2) as bar:  # and the next display is not taken for an inner one
        clock.now += 4.0
        bar.advance()
    assert capsys.readouterr().err.splitlines()[0] == "claims: 1/2, 0.25/s, 4 s left"
