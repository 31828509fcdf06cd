"""A file gets a new name only if nothing has it, on file systems with hard links and without."""

import os
from pathlib import Path

import pytest

from ampl.errors import ForeignFileError
from ampl.files import move_to_new_name, write_atomically


@pytest.fixture(params=[True, False], ids=["hard links", "no hard links"], autouse=True)
def links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the file system has hard links."""

    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    if not request.param:
        monkeypatch.setattr(os, "link", refuse)


def test_a_free_name_is_given(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"content")
    move_to_new_name(tmp_path / "old", tmp_path / "new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("new", b"content")]


def test_a_name_that_is_taken_stays_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"content")
    (tmp_path / "new").write_bytes(b"theirs")
    with pytest.raises(FileExistsError):
        move_to_new_name(tmp_path / "old", tmp_path / "new")
    assert (tmp_path / "old").read_bytes() == b"content"
    assert (tmp_path / "new").read_bytes() == b"theirs"


def test_a_writer_that_must_not_replace_leaves_what_appeared_meanwhile_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "f"
    with pytest.raises(ForeignFileError, match="was made by another process in the meantime; it stays"):
        write_atomically(path, lambda file: path.write_bytes(b"theirs") and None, replace=False)
    assert [(found.name, found.read_bytes()) for found in tmp_path.iterdir()] == [("f", b"theirs")]
    write_atomically(path, lambda file: file.write(b"ours") and None)
    assert path.read_bytes() == b"ours"
