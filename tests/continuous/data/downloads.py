"""Downloads from a local server that must arrive whole, or fail in one line and leave no file."""

from pathlib import Path

import pytest

from ampl.errors import InvalidFileError
from continuous.data.cache import dataset_path
from continuous.data.download import DownloadConfig, download
from continuous.data.download_record import dataset_sha256, record_path
from tests.continuous.data.d4rl_samples import HOPPER
from tests.continuous.data.file_server import Behavior, serve

QUICK = DownloadConfig(timeout=0.2, attempts=4, pause=0.0)


def fetched(behavior: Behavior, config: DownloadConfig = QUICK) -> Path:
    with serve(behavior) as url:
        path, record = download(HOPPER, url=url, config=config)
    assert path.read_bytes() == behavior.content
    assert record.sha256 == dataset_sha256(path)
    assert record.size == len(behavior.content)
    assert sorted(found.name for found in path.parent.iterdir()) == [path.name, record_path(path).name]
    return path


def failure(behavior: Behavior, config: DownloadConfig = QUICK) -> str:
    with serve(behavior) as url, pytest.raises(InvalidFileError) as caught:
        download(HOPPER, url=url, config=config)
    assert not dataset_path(HOPPER).exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)
