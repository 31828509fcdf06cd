"""Downloads from a server that breaks off, stalls, lies, forgets, or is not there; what stays is whole or resumable."""

import fcntl
import hashlib
import json
import math
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ampl.errors import ForeignFileError, InvalidArgumentError, InvalidFileError
from continuous.data import download as download_module
from continuous.data.cache import dataset_path
from continuous.data.d4rl_file import read_d4rl, write_d4rl
from continuous.data.download import DownloadConfig, download
from continuous.data.download_record import file_sha256, read_record, record_path
from continuous.data.http_request import TransferError
from continuous.tasks.registry import find_task
from tests.continuous.data.d4rl_samples import HOPPER, UMAZE, arrays_of, assert_same, hopper_data, made_by, write_plain
from tests.continuous.data.file_server import Behavior, serve

QUICK = DownloadConfig(timeout=0.2, attempts=4, pause=0.0)


@pytest.fixture(autouse=True)
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


def fetched(behavior: Behavior, config: DownloadConfig = QUICK) -> Path:
    with serve(behavior) as url:
        path, record = download(HOPPER, url=url, config=config)
    assert path.read_bytes() == behavior.content
    assert record.sha256 == file_sha256(path)
    assert record.size == len(behavior.content)
    assert sorted(found.name for found in path.parent.iterdir()) == [path.name, record_path(path).name]
    return path


def failure(behavior: Behavior, config: DownloadConfig = QUICK) -> str:
    with serve(behavior) as url, pytest.raises(InvalidFileError) as caught:
        download(HOPPER, url=url, config=config)
    assert not dataset_path(HOPPER).exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_whole_file_arrives_with_a_record(content: bytes) -> None:
    path = fetched(Behavior(content))
    assert_same(read_d4rl(path, HOPPER), hopper_data(700))
    record = read_record(path)
    assert record is not None
    assert record.url.startswith("http://127.0.0.1")


def test_a_file_that_is_there_and_unchanged_is_not_fetched_again(content: bytes) -> None:
    fetched(Behavior(content))
    path, record = download(HOPPER, url="http://127.0.0.1:1/none", config=QUICK)
    assert record.sha256 == file_sha256(path)


def test_a_file_that_changed_since_is_an_error(content: bytes) -> None:
    path = fetched(Behavior(content))
    path.write_bytes(content + b"more")
    with pytest.raises(InvalidFileError, match="has changed since it was downloaded"):
        download(HOPPER, config=QUICK)


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


def test_no_server_is_one_line_with_the_place_and_the_command(folder: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/file"
        with pytest.raises(InvalidFileError) as caught:
            download(UMAZE, url=address, config=QUICK)
    message = str(caught.value)
    assert "cannot reach 127.0.0.1" in message
    assert str(folder / UMAZE.file_name) in message
    assert "`ampl data make maze2d-umaze-v1` re-creates it" in message
    assert "\n" not in message


def test_no_name_service_is_the_same_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(InvalidFileError, match=r"cannot reach rail\.eecs\.berkeley\.edu \(Name or service not known"):
        download(find_task("pen-cloned-v1"), config=QUICK)


def test_no_recipe_is_said_too() -> None:
    with pytest.raises(InvalidFileError, match="there is no recipe that re-creates it"):
        download(find_task("pen-cloned-v1"), url="http://127.0.0.1:1/none", config=QUICK)


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://host/file", "nonsense", "http://"])
def test_only_http_addresses_are_taken(url: str) -> None:
    with pytest.raises(InvalidArgumentError, match="is not an address"):
        download(HOPPER, url=url, config=QUICK)


def test_a_re_creation_or_foreign_file_at_the_place_stays(content: bytes) -> None:
    path = dataset_path(HOPPER)
    write_d4rl(path, hopper_data(), made_by(HOPPER))
    with pytest.raises(ForeignFileError, match="is a re-creation; it stays"):
        download(HOPPER, config=QUICK)
    path.write_bytes(content)
    with pytest.raises(ForeignFileError, match="was not downloaded by ampl; it stays"):
        download(HOPPER, config=QUICK)


def test_two_processes_never_write_one_partial_file(content: bytes) -> None:
    path = dataset_path(HOPPER)
    path.parent.mkdir()
    with path.with_name(f"{path.name}.part").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "another process is downloading" in failure(Behavior(content))


def test_a_cache_folder_that_cannot_be_made_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path / "file" / "below"))
    with serve(Behavior(content)) as url, pytest.raises(InvalidFileError, match="D4RL_DATASET_DIR"):
        download(HOPPER, url=url, config=QUICK)


@pytest.mark.parametrize(
    "settings",
    [
        {"timeout": 0.0},
        {"timeout": math.inf},
        {"timeout": 1e7},
        {"max_size": 1e300},
        {"attempts": 0},
        {"pause": -1.0},
        {"max_size": -1.0},
        {"max_size": math.nan},
    ],
)
def test_impatience_has_limits(settings: dict[str, float]) -> None:
    with pytest.raises(InvalidArgumentError):
        DownloadConfig(**settings)


@pytest.mark.parametrize("digits", [str.lower, str.upper])
def test_a_checksum_known_beforehand_must_be_that_of_the_file(content: bytes, digits: Callable[[str], str]) -> None:
    known = hashlib.sha256(content).hexdigest()
    fetched(Behavior(content), replace(QUICK, sha256=digits(known)))
    download(HOPPER, url="http://127.0.0.1:1/none", config=replace(QUICK, sha256=digits(known)))


def test_another_checksum_than_the_known_one_publishes_nothing(content: bytes) -> None:
    message = failure(Behavior(content), replace(QUICK, sha256="0" * 64))
    assert hashlib.sha256(content).hexdigest() in message
    assert list(dataset_path(HOPPER).parent.iterdir()) == []


def test_a_file_that_is_here_with_another_checksum_than_the_known_one_stays(content: bytes) -> None:
    path = fetched(Behavior(content))
    with pytest.raises(InvalidFileError, match="not the one that --sha256 asks for; it stays"):
        download(HOPPER, config=replace(QUICK, sha256="0" * 64))
    assert path.read_bytes() == content


@pytest.mark.parametrize("known", ["", "0" * 63, "0" * 65, "g" * 64, "sha256:" + "0" * 64])
def test_a_malformed_checksum_is_an_error(known: str) -> None:
    with pytest.raises(InvalidArgumentError, match="expected 64 hexadecimal digits"):
        replace(QUICK, sha256=known)


@pytest.mark.parametrize("tag", ['"one"', None])
def test_a_file_that_was_made_during_the_download_stays(
    content: bytes, monkeypatch: pytest.MonkeyPatch, tag: str | None
) -> None:
    path = dataset_path(HOPPER)

    def made_meanwhile(*_: object) -> None:
        write_d4rl(path, hopper_data(), made_by(HOPPER))

    monkeypatch.setattr("continuous.data.plausibility.check_plausible", made_meanwhile)
    with serve(Behavior(content, tag=tag)) as url, pytest.raises(ForeignFileError, match="in the meantime") as caught:
        download(HOPPER, url=url, config=QUICK)
    assert_same(read_d4rl(path, HOPPER), hopper_data())
    kept = [f"{path.name}.part", f"{path.name}.part.json"] if tag else []
    assert sorted(found.name for found in path.parent.iterdir()) == [path.name, *kept]
    assert ("bytes are kept" in str(caught.value)) == bool(tag)
    path.unlink()
    monkeypatch.undo()
    if tag:
        monkeypatch.setenv("D4RL_DATASET_DIR", str(path.parent))
        assert download(HOPPER, url=url, config=QUICK)[0].read_bytes() == content  # without asking the server


def test_a_file_that_another_process_has_just_downloaded_is_taken_as_it_is(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other finishes between our look at the place and our hold of the partial file."""
    first = fetched(Behavior(content))
    hidden = first.rename(first.with_suffix(".hidden"))
    whole = download_module.hold_partial

    def late(*arguments: Any) -> Any:
        hidden.rename(first)
        return whole(*arguments)

    monkeypatch.setattr(download_module, "hold_partial", late)
    path, record = download(HOPPER, url="http://127.0.0.1:1/none", config=QUICK)
    assert record.sha256 == file_sha256(path)


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


def test_a_mirror_that_cannot_be_reached_costs_nothing_of_what_is_here(content: bytes) -> None:
    behavior = Behavior(content, break_after=20_000)
    with serve(behavior) as url:
        with pytest.raises(InvalidFileError):
            download(HOPPER, url=url, config=replace(QUICK, attempts=1))
        with pytest.raises(InvalidFileError, match=f"20000 bytes from {url} are kept"):
            download(HOPPER, url="http://127.0.0.1:1/none", config=QUICK)
        behavior.break_after = None
        download(HOPPER, url=url, config=QUICK)
    assert behavior.asked == [None, "bytes=20000-"]
