"""Downloads from a server that breaks off, stalls, lies, forgets, or is not there; what stays is whole or resumable."""

import fcntl
import json
from dataclasses import replace
from pathlib import Path

import pytest

from ampl.errors import InvalidFileError
from continuous.data import download as download_module
from continuous.data.cache import dataset_path
from continuous.data.d4rl_file import read_d4rl
from continuous.data.download import DownloadConfig, download
from continuous.data.download_record import read_record
from continuous.data.http_request import TransferError
from continuous.tasks.find import find_task
from tests.continuous.data.d4rl_samples import HOPPER, assert_same, hopper_data
from tests.continuous.data.downloads import QUICK, failure, fetched
from tests.continuous.data.file_server import Behavior, serve

pytestmark = pytest.mark.usefixtures("folder")


def test_a_whole_file_arrives_with_a_record(content: bytes) -> None:
    path = fetched(Behavior(content))
    assert_same(read_d4rl(path, HOPPER), hopper_data(700))
    record = read_record(path)
    assert record is not None
    assert record.url.startswith("http://127.0.0.1")


def test_a_connection_that_breaks_off_is_taken_up_where_it_ended(content: bytes) -> None:
    behavior = Behavior(content, plan=[{"break_after": 30_000}, {"break_after": 1000}, {"break_after": None}])
    fetched(behavior)
    assert behavior.asked == [None, "bytes=30000-", "bytes=31000-"]


def test_a_server_that_stalls_is_asked_again(content: bytes) -> None:
    behavior = Behavior(content, plan=[{"stall_after": 20_000}, {"stall_after": None}])
    fetched(behavior)
    assert behavior.asked == [None, "bytes=20000-"]


def test_what_has_arrived_is_kept_for_the_next_command(content: bytes) -> None:
    message = failure(Behavior(content, break_after=20_000), DownloadConfig(timeout=0.2, attempts=1, pause=0.0))
    assert "20000 bytes are kept" in message
    partial = dataset_path(HOPPER).with_name(f"{HOPPER.file_name}.part")
    assert partial.stat().st_size == 20_000
    assert json.loads(Path(f"{partial}.json").read_text())["tag"] == '"one"'


def test_a_partial_file_of_another_version_or_address_is_never_continued(content: bytes) -> None:
    behavior = Behavior(b"x" * len(content), break_after=20_000)
    with serve(behavior) as url:
        with pytest.raises(InvalidFileError):
            download(HOPPER, url=url, config=DownloadConfig(timeout=0.2, attempts=1))
        behavior.content, behavior.tag, behavior.break_after = content, '"two"', None
        path, _ = download(HOPPER, url=url, config=QUICK)
        assert path.read_bytes() == content
    assert behavior.asked == [None, "bytes=20000-"]  # asked with If-Range, so the server sent everything


def test_a_server_in_trouble_is_asked_again(content: bytes) -> None:
    fetched(Behavior(content, plan=[{"status": 503}, {"status": 500}, {"status": 200}]))


def test_a_server_that_announces_more_than_it_sends_is_an_error(content: bytes) -> None:
    message = failure(Behavior(content, claimed=len(content) + 1000))
    assert "cannot download hopper-medium-v2" in message


def test_a_server_that_announces_less_than_it_has_leaves_no_file(content: bytes) -> None:
    message = failure(Behavior(content, claimed=len(content) // 2))
    assert "not usable and was removed" in message
    assert list(dataset_path(HOPPER).parent.iterdir()) == []


def test_a_server_that_says_no_length_is_believed_only_if_the_file_is_whole(content: bytes) -> None:
    fetched(Behavior(content, say_length=False))
    dataset_path(HOPPER).unlink()
    assert "not usable" in failure(Behavior(content, say_length=False, break_after=20_000))


@pytest.mark.parametrize("body", [b"", b"<html>log in first</html>"])
def test_a_page_instead_of_a_file_leaves_nothing(body: bytes) -> None:
    failure(Behavior(body))
    assert not [path for path in dataset_path(HOPPER).parent.iterdir() if path.suffix == ".hdf5"]


def test_a_file_of_another_task_is_refused(content: bytes) -> None:
    task = find_task("walker2d-medium-v2")
    with serve(Behavior(content)) as url, pytest.raises(InvalidFileError, match=r"not usable and was removed.*has 17"):
        download(task, url=url, config=QUICK)
    assert list(dataset_path(task).parent.iterdir()) == []


@pytest.mark.parametrize("status", [404, 403, 410])
def test_a_file_that_the_server_does_not_have_is_not_asked_for_twice(content: bytes, status: int) -> None:
    behavior = Behavior(content, status=status)
    message = failure(behavior)
    assert f"answers {status}" in message
    assert len(behavior.asked) == 1
    assert str(dataset_path(HOPPER)) in message


def test_a_range_that_cannot_be_met_starts_over(content: bytes) -> None:
    """The server's file is now shorter than what we have of it, under the same tag."""
    behavior = Behavior(content + b"x" * 50_000, break_after=len(content) + 100)
    with serve(behavior) as url:
        with pytest.raises(InvalidFileError):
            download(HOPPER, url=url, config=DownloadConfig(timeout=0.2, attempts=1))
        behavior.content, behavior.break_after = content, None
        path, _ = download(HOPPER, url=url, config=QUICK)
    assert path.read_bytes() == content


def test_two_processes_never_write_one_partial_file(content: bytes) -> None:
    path = dataset_path(HOPPER)
    path.parent.mkdir()
    with path.with_name(f"{path.name}.part").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "another process is downloading" in failure(Behavior(content))


def test_what_cannot_be_continued_is_neither_kept_nor_promised(content: bytes) -> None:
    message = failure(Behavior(content, break_after=20_000, tag=None), replace(QUICK, attempts=1))
    assert "kept" not in message
    assert list(dataset_path(HOPPER).parent.iterdir()) == []


def test_a_file_beyond_the_limit_is_refused(content: bytes) -> None:
    message = failure(Behavior(content), replace(QUICK, max_size=len(content) / 1e9 - 1e-9))
    assert f"announces {len(content)} bytes" in message
    assert list(dataset_path(HOPPER).parent.iterdir()) == []


def test_a_redirect_to_a_local_file_is_refused_at_the_first_attempt() -> None:
    behavior = Behavior(b"", status=302, location="file:///etc/hostname")
    assert "redirects to 'file:///etc/hostname'" in failure(behavior)
    assert len(behavior.asked) == 1


def test_thousands_of_attempts_are_pauses_of_half_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    def fail(*_: object) -> None:
        raise TransferError("no answer in time")

    monkeypatch.setattr(download_module, "transfer", fail)
    monkeypatch.setattr("time.sleep", pauses.append)
    with pytest.raises(InvalidFileError, match="no answer in time"):
        download(HOPPER, url="http://127.0.0.1/f", config=DownloadConfig(attempts=2000))
    assert pauses == [1.0, 2.0, 4.0, 8.0, 16.0] + [30.0] * 1994
