"""What tests of `ampl verify` share: an empty working directory, and mistakes in one line."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def mistake(mistake: Callable[..., str]) -> Callable[..., str]:
    """The same of `ampl verify ...`."""
    return partial(mistake, "verify", "--workers", "1")
