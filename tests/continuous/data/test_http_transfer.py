"""Partial files: two versions are never joined, nothing endless is taken, and only what can be continued is kept."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ampl.errors import InvalidFileError
from continuous.data.http_request import TransferError
from continuous.data.http_transfer import transfer
from continuous.data.partial_file import PartialFile, hold_partial
from tests.continuous.data.file_server import Behavior, serve, serve_raw

OLD, NEW = bytes(range(250)) * 200, bytes(range(250, 0, -1)) * 200  # 50,000 bytes each
HALF = 20_000
PAST, LATER = "Mon, 01 Jan 2024 00:00:00 GMT", "Tue, 02 Jan 2024 00:00:00 GMT"


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing stands between us and the server."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def attempt(partial: PartialFile, most: int = 1_000_000, timeout: float = 0.3) -> None:
    transfer(partial, timeout, most)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "f.part"


@pytest.fixture
def behavior() -> Behavior:
    """A server that breaks off half-way at the first attempt."""
    return Behavior(OLD, plan=[{"break_after": HALF}, {"break_after": None}])


@pytest.fixture
def begun(place: Path, behavior: Behavior) -> Iterator[PartialFile]:
    """The file after that attempt."""
    with serve(behavior) as url, hold_partial(place, url) as partial:
        with pytest.raises(TransferError, match="announced 50000 bytes and sent 20000"):
            attempt(partial)
        yield partial


def names(place: Path) -> list[str]:
    return sorted(path.name for path in place.parent.iterdir())


def test_the_same_version_is_continued(begun: PartialFile, behavior: Behavior) -> None:
    attempt(begun)
    assert behavior.asked == [None, f"bytes={HALF}-"]
    assert begun.path.read_bytes() == OLD
    assert begun.complete


@pytest.mark.parametrize(
    "change",
    [
        {"tag": '"two"'},
        {"tag": None},
        {"tag": 'W/"one"'},
        {"content": NEW + b"more"},  # under the same tag
        {"content_range": f"bytes {HALF}-59999/60000"},
        {"content_range": f"bytes {HALF + 1}-49999/50000"},
        {"content_range": "bytes 0-49999/50000"},
        {"content_range": f"bytes {HALF}-50000/50000"},
        {"content_range": "bytes */50000"},
        {"content_range": "lines 1-2/3"},
        {"content_range": f"bytes {'9' * 5000}-1/2"},
        {"content_range": ""},
        {"tag": None, "modified": LATER},
    ],
    ids=lambda change: str(change)[:60],
)
def test_a_server_that_goes_on_with_anything_else_makes_it_begin_again(
    begun: PartialFile, behavior: Behavior, change: dict[str, Any]
) -> None:
    behavior.plan = [{"content": NEW, "careless": True, "break_after": None} | change, {"content_range": None}]
    with pytest.raises(TransferError, match=r"another version|not asked for"):
        attempt(begun)
    assert begun.size == 0
    assert begun.begun is None
    attempt(begun)
    assert behavior.asked == [None, f"bytes={HALF}-", None]
    assert begun.path.read_bytes() == behavior.content


def test_an_unsaid_total_and_a_unit_in_capitals_are_legal(begun: PartialFile, behavior: Behavior) -> None:
    behavior.content_range = f"Bytes {HALF}-49999/*"
    attempt(begun)
    assert begun.path.read_bytes() == OLD


def test_a_past_date_names_a_version_where_there_is_no_tag(place: Path) -> None:
    behavior = Behavior(OLD, tag=None, modified=PAST, plan=[{"break_after": HALF}, {"break_after": None}])
    with serve(behavior) as url, hold_partial(place, url) as partial:
        with pytest.raises(TransferError):
            attempt(partial)
        attempt(partial)
    assert behavior.asked == [None, f"bytes={HALF}-"]
    assert place.read_bytes() == OLD


def test_another_date_makes_it_begin_again(place: Path) -> None:
    change = {"break_after": None, "content": NEW, "modified": LATER, "careless": True}
    behavior = Behavior(OLD, tag=None, modified=PAST, plan=[{"break_after": HALF}, change])
    with serve(behavior) as url, hold_partial(place, url) as partial:
        with pytest.raises(TransferError):
            attempt(partial)
        with pytest.raises(TransferError, match="another version"):
            attempt(partial)
        attempt(partial)
    assert place.read_bytes() == NEW


@pytest.mark.parametrize(
    "described",
    [
        {"tag": None},
        {"tag": 'W/"one"'},
        {"tag": 'W/"one"', "modified": PAST},
        {"tag": "one"},
        {"tag": None, "modified": "yesterday"},
        {"tag": None, "modified": "Fri, 01 Jan 2100 00:00:00 GMT"},
        {"say_length": False},
        {"accept_ranges": "none"},
    ],
    ids=str,
)
def test_what_cannot_be_continued_is_not_kept(place: Path, described: dict[str, Any]) -> None:
    with serve(Behavior(OLD, stall_after=HALF, **described)) as url, hold_partial(place, url) as partial:
        with pytest.raises(TransferError):
            attempt(partial)
        assert partial.size == HALF
        assert partial.begun is None
    assert names(place) == []


def test_what_can_be_continued_is_kept_for_the_next_process(place: Path, behavior: Behavior) -> None:
    with serve(behavior) as url:
        with hold_partial(place, url) as partial, pytest.raises(TransferError):
            attempt(partial)
        assert names(place) == ["f.part", "f.part.json"]
        with hold_partial(place, url) as partial:
            attempt(partial)
    assert place.read_bytes() == OLD


@pytest.mark.parametrize("note", [None, "{", "[]", '{"url": "http://other/f", "size": 50000, "tag": "\\"one\\""}'])
def test_bytes_without_a_note_of_their_version_are_not_continued(place: Path, note: str | None) -> None:
    place.write_bytes(NEW[:HALF])
    if note is not None:
        (place.parent / "f.part.json").write_text(note)
    behavior = Behavior(OLD)
    with serve(behavior) as url, hold_partial(place, url) as partial:
        attempt(partial)
    assert behavior.asked == [None]
    assert place.read_bytes() == OLD


def test_what_another_address_gave_stays_until_this_one_gives_its_first_byte(place: Path, behavior: Behavior) -> None:
    with serve(behavior) as url:
        with hold_partial(place, url) as partial, pytest.raises(TransferError):
            attempt(partial)
        with serve(Behavior(NEW, plan=[{"status": 503}, {"status": 200}])) as other:
            with hold_partial(place, other) as partial:
                assert partial.begun is None
                with pytest.raises(TransferError, match="503"):
                    attempt(partial)
            with hold_partial(place, url) as partial:
                assert partial.size == HALF
                assert partial.begun is not None
            with hold_partial(place, other) as partial:
                attempt(partial)
    assert place.read_bytes() == NEW


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("head", [b"", b'ETag: "one"\r\n', b"Transfer-Encoding: chunked\r\n"])
def test_a_body_without_announced_length_is_cut_at_the_limit(place: Path, head: bytes) -> None:
    block = bytes(1000)
    again = b"3e8\r\n" + block + b"\r\n" if b"chunked" in head else block
    with serve_raw(HEAD + head + b"\r\n", again) as url, hold_partial(place, url) as partial:
        with pytest.raises(InvalidFileError, match=r"at most 100000 are taken.*--max-size"):
            attempt(partial, most=100_000)
        assert partial.size == 0
    assert names(place) == []


def test_an_announced_length_beyond_the_limit_is_refused_at_once(place: Path) -> None:
    with serve(Behavior(OLD)) as url, hold_partial(place, url) as partial:
        with pytest.raises(InvalidFileError, match="announces 50000 bytes; at most 49999 are taken"):
            attempt(partial, most=49_999)
        attempt(partial, most=50_000)
    assert place.read_bytes() == OLD


def test_a_length_of_thousands_of_digits_is_no_length(place: Path) -> None:
    head = HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n"
    with serve_raw(head + OLD) as url, hold_partial(place, url) as partial:
        attempt(partial)
        assert place.read_bytes() == OLD


def test_more_than_announced_is_no_file(begun: PartialFile, behavior: Behavior) -> None:
    behavior.content, behavior.say_length = OLD + b"more", False
    behavior.content_range = f"bytes {HALF}-49999/50000"
    with pytest.raises(TransferError, match="more than the 50000 bytes that it announced"):
        attempt(begun)
    assert begun.size == 0


@pytest.mark.parametrize(("again", "pause"), [(b"x", 0.02), (b"1\r\nx\r\n", 0.02)])
def test_a_trickle_is_silence(place: Path, again: bytes, pause: float) -> None:
    chunked = b"Transfer-Encoding: chunked\r\n" if b"\r" in again else b""
    with serve_raw(HEAD + chunked + b"\r\n", again, pause) as url, hold_partial(place, url) as partial:  # noqa: SIM117
        with pytest.raises(TransferError, match=r"fewer than 1000 bytes came in 0\.3 seconds"):
            attempt(partial)


def test_a_slow_body_that_comes_steadily_is_waited_for(place: Path) -> None:
    with serve_raw(HEAD + b"\r\n", bytes(1000), 0.05) as url, hold_partial(place, url) as partial:  # noqa: SIM117
        with pytest.raises(InvalidFileError, match="at most"):
            attempt(partial, most=10_000, timeout=0.2)  # takes half a second


@pytest.mark.parametrize("kind", ["folder", "link"])
def test_a_partial_file_that_is_no_regular_file_is_refused(place: Path, kind: str) -> None:
    theirs = place.parent / "theirs"
    theirs.write_bytes(b"precious")
    place.mkdir() if kind == "folder" else place.symlink_to(theirs)
    with pytest.raises(InvalidFileError, match="not a regular file"), hold_partial(place, "http://h/f"):
        pass
    assert theirs.read_bytes() == b"precious"


def test_a_full_disk_is_named_and_what_can_be_continued_stays(
    begun: PartialFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    class Full:
        def __init__(self, file: Any) -> None:
            self._file = file

        def __getattr__(self, name: str) -> Any:
            return getattr(self._file, name)

        def write(self, block: memoryview) -> int:
            if len(block) > 100:
                return int(self._file.write(block[:100]))
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(begun, "_file", Full(begun._file))
    monkeypatch.setattr("continuous.data.http_transfer._BLOCK", 250)
    with pytest.raises(InvalidFileError, match=r"cannot write .*f\.part: No space left on device\."):
        attempt(begun)
    assert begun.begun is not None
    assert begun.path.read_bytes() == OLD[: begun.size]


def test_a_process_that_waited_for_the_lock_does_not_get_the_published_file(
    place: Path, behavior: Behavior, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The holder renames its file between another's opening and locking: the other must begin a new one."""
    from continuous.data import partial_file

    target = place.parent / "f"
    lock = partial_file.lock
    seen: list[Any] = []

    def late(descriptor: int) -> bool | None:
        seen.append(descriptor)
        if len(seen) == 1:
            place.rename(target)
        return lock(descriptor)

    place.write_bytes(OLD)
    monkeypatch.setattr(partial_file, "lock", late)
    with hold_partial(place, "http://h/f") as partial:
        partial.append(b"new")
        assert place.read_bytes() == b"new"
    assert target.read_bytes() == OLD
