"""What is read must be a file of the right kind and size; what is written is whole, and nothing temporary stays."""

import io
import json
import os
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ampl.errors import ForeignFileError, InvalidArgumentError, InvalidFileError
from ampl.files import (
    check_output,
    check_output_folder,
    check_replaceable,
    read_json,
    read_npz,
    write_atomically,
    write_json,
    write_npz,
    write_text,
)
from ampl.temporary_files import temporary_beside


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "nested deeper than 64 levels"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "nested deeper than 64 levels"),
        (b'{"seed": ' + b"9" * 5000 + b"}", "an integer of 5000 digits"),
        (b'{"seed": ' + b"9" * 400 + b"}", "an integer of 400 digits"),
        (b'{"x": NaN}', "NaN is no JSON number"),
        (b'{"x": -Infinity}', "-Infinity is no JSON number"),
        (b'{"x": 1e999}', "1e999 is too large"),
        (b'{"x": {"a": 1, "b": 2, "a": 1}}', "the key 'a' stands twice"),
        (b'{"x": "\xff"}', "can't decode byte 0xff"),
        (b'{\n"x": }', "line 2: Expecting value"),
        (b"", "line 1: Expecting value"),
        (b" " * ((1 << 26) + 1), "more than 64 MiB"),
    ],
)
def test_json_that_is_none_or_cannot_be_computed_with_is_refused(tmp_path: Path, text: bytes, words: str) -> None:
    (tmp_path / "a.json").write_bytes(text)
    with pytest.raises(InvalidFileError, match=words) as refused:
        read_json(tmp_path / "a.json", "Expected ours.")
    assert str(refused.value).startswith(f"{tmp_path / 'a.json'} is not JSON")
    assert str(refused.value).endswith("Expected ours.")
    assert len(str(refused.value)) < 500


def test_json_as_deep_and_as_large_as_allowed_is_read(tmp_path: Path) -> None:
    deep: list[object] = []
    for _ in range(63):
        deep = [deep]
    value = {"seed": 10**99, "x": 1e308, "y": -0.5, "deep": deep[0], "z": None}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value


@pytest.fixture(params=["pipe", "device", "folder"])
def special(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Something that is no file: to read it would hang, never end, or fail."""
    path = tmp_path / "special"
    match request.param:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case _:
            path.mkdir()
    return path


def test_what_is_no_file_is_neither_read_nor_replaced(special: Path) -> None:
    what = "a folder" if special.is_dir() else "a device, a pipe or a socket"
    with pytest.raises(InvalidFileError, match=what):
        read_json(special)
    with pytest.raises(InvalidFileError, match=what):
        read_npz(special, "a record", ["x"])
    with pytest.raises(ForeignFileError, match=what):
        check_replaceable(special)


@pytest.mark.parametrize("leads_to", ["missing", "link"])
def test_a_link_that_leads_to_no_file_is_known_before_the_work(tmp_path: Path, leads_to: str) -> None:
    link = tmp_path / "link"  # the second one leads to itself
    link.symlink_to(tmp_path / leads_to)
    with pytest.raises(ForeignFileError, match="link is a link that leads to no file; it stays"):
        check_output(link)
    assert link.is_symlink()


def npy_header(shape: tuple[int, ...], dtype: str = "<f8") -> bytes:
    text = repr({"descr": dtype, "fortran_order": False, "shape": shape}).encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def npy(array: object) -> bytes:
    file = io.BytesIO()
    np.save(file, array)  # type: ignore[arg-type]
    return file.getvalue()


def write_archive(path: Path, members: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)


@pytest.mark.parametrize(
    "data",
    [
        npy_header((10**30,)),
        npy_header((10**12, 10**3)),
        npy_header((0, 10**30)),
        npy_header((-1, 8)) + bytes(64),
        npy_header((10**15,), "<U0"),
        npy_header((10**6,)) + bytes(80),
        npy_header((2,)) + bytes(24),
        npy_header((), "<U1000000000"),
        npy(np.array([{}], dtype=object)),
        b"\x93NUMPY\x03\x00" + bytes(80),
        b"\x93NUMPY\x01\x00" + struct.pack("<H", 9000) + b"-" * 9000,
        b"no array",
        b"",
    ],
)
def test_an_array_that_is_not_what_its_header_says_is_refused(tmp_path: Path, data: bytes) -> None:
    write_archive(tmp_path / "a.npz", {"x.npy": data})
    with pytest.raises(InvalidFileError, match=r"cannot be read as \.npz") as refused:
        read_npz(tmp_path / "a.npz", "a record", ["x"])
    assert "\n" not in str(refused.value)


def test_only_the_arrays_that_are_asked_for_are_read(tmp_path: Path) -> None:
    absurd = npy_header((10**30,))
    write_archive(tmp_path / "a.npz", {"x.npy": npy(1.0), "y.npy": npy(2.0), "z.npy": absurd, "note.txt": b"hello"})
    read = read_npz(tmp_path / "a.npz", "a record", ["x"], ["y", "w"])
    assert read == {"x": 1.0, "y": 2.0}
    with pytest.raises(InvalidFileError, match=r"lacks the array 'w'; it has \['x', 'y', 'z'\]"):
        read_npz(tmp_path / "a.npz", "a record", ["w"])


def test_a_file_that_unpacks_to_too_much_is_refused_unless_that_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_npz(tmp_path / "a.npz", {"x": np.zeros(300_000), "y": np.zeros(1)})
    monkeypatch.setenv("AMPL_UNPACK_LIMIT_GB", "0.001")
    with pytest.raises(InvalidFileError, match=r"unpacks to 0\.0024 GB; expected at most 0\.001.*AMPL_UNPACK_LIMIT_GB"):
        read_npz(tmp_path / "a.npz", "a record", ["x"])
    assert list(read_npz(tmp_path / "a.npz", "a record", ["y"])) == ["y"]
    monkeypatch.setenv("AMPL_UNPACK_LIMIT_GB", "0.01")
    assert read_npz(tmp_path / "a.npz", "a record", ["x"])["x"].shape == (300_000,)
    for wrong in ("much", "0", "nan"):
        monkeypatch.setenv("AMPL_UNPACK_LIMIT_GB", wrong)
        with pytest.raises(InvalidArgumentError, match="expected a number above 0"):
            read_npz(tmp_path / "a.npz", "a record", ["x"])


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89PNG", b"PK\x03\x04", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_archive_or_an_empty_one_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(InvalidFileError, match=r"cannot be read as \.npz|lacks the array 'x'"):
        read_npz(tmp_path / "a.npz", "a record", ["x"])


WRITE_AND_DIE = """
import os, sys
from pathlib import Path
from ampl.files import write_atomically
write_atomically(Path(sys.argv[1]), lambda file: os._exit(9))
"""


def test_the_next_write_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    path = tmp_path / "a [v2].json"
    assert subprocess.run([sys.executable, "-c", WRITE_AND_DIE, str(path)], check=False).returncode == 9
    assert len(list(tmp_path.iterdir())) == 1  # the temporary file
    others = [".a [v2].json.mine", ".b.json.abcdefgh", ".a v.json.abcdefgh"]
    for name in others:
        (tmp_path / name).touch()
    write_json(path, 1)
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([path.name, *others])


def test_a_temporary_file_that_another_write_still_uses_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with temporary_beside(path) as temporary:
        write_json(path, 1)
        assert temporary.exists()
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]


def test_a_write_that_fails_leaves_nothing_and_keeps_what_was_there(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "before")

    def full(file: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(InvalidFileError, match="No space left on device"):
        write_atomically(tmp_path / "a.txt", full)
    assert [each.name for each in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "before"


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_files_are_as_open_to_others_as_the_user_wants_new_ones_to_be(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_json(tmp_path / "a.json", {})
    finally:
        os.umask(before)
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o666 & ~mask


def test_halves_of_characters_are_written_as_escapes(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "caf\udce9 γ")
    assert (tmp_path / "a.txt").read_bytes() == b"caf\\udce9 \xce\xb3"


def no_folder(place: Path) -> Path:
    (place / "file").write_text("mine")
    return place / "file" / "deeper" / "a.json"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (no_folder, "cannot write into .*: Not a directory"),
        (lambda place: Path("/proc/nowhere/a.json"), "cannot write into /proc/nowhere: "),
        (lambda place: place / f"{'a' * 246}", "too long; expected at most 245 bytes"),
        (lambda place: place / f"{'γ' * 123}", "too long"),
    ],
)
def test_where_nothing_can_be_written_is_known_before_the_work(
    tmp_path: Path, target: Callable[[Path], Path], words: str
) -> None:
    path = target(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InvalidFileError, match=words):
        check_output(path)
    with pytest.raises(InvalidFileError, match="cannot write"):
        write_text(path, "ours")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(("name", "why"), [("x" * 300, "File name too long"), ("a\0b", "embedded null byte")])
def test_a_name_that_no_folder_can_have_is_known_before_the_work(tmp_path: Path, name: str, why: str) -> None:
    for folder in (tmp_path / name, tmp_path / name / "deeper"):
        with pytest.raises(InvalidFileError, match=f"cannot write into .*: {why}"):
            check_output_folder(folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_known_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o555)
    for folder in (tmp_path / "locked", tmp_path / "locked" / "new"):
        with pytest.raises(InvalidFileError, match="Permission denied"):
            check_output_folder(folder)


def test_asking_where_to_write_leaves_nothing(tmp_path: Path) -> None:
    check_output(tmp_path / "new" / "deeper" / ("a" * 245))
    assert list(tmp_path.iterdir()) == []
    write_text(tmp_path / ("a" * 245), "ours")


def test_numbers_that_json_does_not_know_are_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        write_json(tmp_path / "a.json", {"x": float("nan")})
    assert not (tmp_path / "a.json").exists()
    assert json.dumps({"x": float("nan")}) == '{"x": NaN}'  # what the standard library would write
