"""A cache folder for downloads, and the bytes that a server has."""

from pathlib import Path

import pytest

from tests.continuous.data.d4rl_samples import arrays_of, hopper_data, write_plain


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, and no proxy between us and the server."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    """The bytes of a valid hopper file of D4RL's own layout, 100 kB."""
    return write_plain(tmp_path / "source", arrays_of(hopper_data(700))).read_bytes()
