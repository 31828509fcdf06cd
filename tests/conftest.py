"""Hypothesis profiles: `quick` by default, `ci` (the same, reproducible) where CI is set, `full` on request.

Choose one with HYPOTHESIS_PROFILE=full or with pytest's --hypothesis-profile=full. Tests run side by side, so each
process computes on one thread. A shell that starts the tests in the background lets them ignore Ctrl-C, which tests of
interruptions send; here it is heard again.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings

from ampl.command_line.main import main
from ampl.processes import limit_spinning

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when numpy and torch are first imported
limit_spinning()  # likewise; for tests of two threads beside other tests

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}

settings.register_profile("quick", max_examples=100, **_COMMON)
settings.register_profile("ci", max_examples=100, derandomize=True, print_blob=True, **_COMMON)
settings.register_profile("full", max_examples=1000, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "quick"))


@pytest.fixture
def mistake(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs `ampl`, which must end with code 2 and one line besides warnings; returns that line.

    Nothing may be printed before, unless `notes` says that notes may.
    """

    def call(*arguments: object, notes: bool = False) -> str:
        assert main([str(argument) for argument in arguments]) == 2
        out, err = capsys.readouterr()
        assert notes or out == ""
        (line,) = [line for line in err.splitlines() if not line.startswith("ampl: warning:")]
        assert line.startswith("ampl: error: ")
        return line

    return call
