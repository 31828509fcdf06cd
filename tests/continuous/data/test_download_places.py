"""What a download finds at its place stays or is checked, addresses and checksums too; what to do is said."""

import hashlib
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
from continuous.data.download_record import dataset_sha256
from continuous.tasks.find import find_task
from tests.continuous.data.d4rl_samples import HOPPER, UMAZE, assert_same, hopper_data, made_by
from tests.continuous.data.downloads import QUICK, failure, fetched
from tests.continuous.data.file_server import Behavior, serve

pytestmark = pytest.mark.usefixtures("folder")


def test_a_file_that_is_there_and_unchanged_is_not_fetched_again(content: bytes) -> None:
    fetched(Behavior(content))
    path, record = download(HOPPER, url="http://127.0.0.1:1/none", config=QUICK)
    assert record.sha256 == dataset_sha256(path)


def test_a_file_that_changed_since_is_an_error(content: bytes) -> None:
    path = fetched(Behavior(content))
    path.write_bytes(content + b"more")
    with pytest.raises(InvalidFileError, match="has changed since it was downloaded"):
        download(HOPPER, config=QUICK)


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
    assert record.sha256 == dataset_sha256(path)


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
