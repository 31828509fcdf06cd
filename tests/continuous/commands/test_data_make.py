"""`ampl data make`: files at their places, what another process did meanwhile stays, and nothing is half made."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ampl.command_line.main import main
from continuous.data.cache import dataset_path
from continuous.data.d4rl_file import read_d4rl, read_provenance
from continuous.data.download_record import DownloadRecord, dataset_sha256, record_path, write_record
from continuous.data.recipes import Recipe
from tests.continuous.data.d4rl_samples import (
    UMAZE,
    arrays_of,
    maze_data,
    write_plain,
)

pytestmark = pytest.mark.usefixtures("folder")


def test_make_writes_the_file_at_its_place_and_says_what_it_is(run: Any) -> None:
    assert "40 rows, re-created" in run("make", "maze2d-umaze-v1", "--steps", "40")
    assert read_d4rl(dataset_path(UMAZE), UMAZE).n_rows == 40
    note = read_provenance(dataset_path(UMAZE))
    assert note is not None
    assert note.source == "re-created"


def test_make_replaces_only_its_own_files_and_only_when_asked(run: Any, mistake: Any, tmp_path: Path) -> None:
    out = str(tmp_path / "deep" / "f.hdf5")
    run("make", "maze2d-umaze-v1", "--out", out)
    assert "--overwrite replaces it" in mistake("make", "maze2d-umaze-v1", "--out", out)
    run("make", "maze2d-umaze-v1", "--out", out, "--seed", "3", "--overwrite")
    Path(out).write_bytes(b"mine")
    assert "it stays" in mistake("make", "maze2d-umaze-v1", "--out", out, "--overwrite")
    assert Path(out).read_bytes() == b"mine"


def appear_meanwhile(monkeypatch: pytest.MonkeyPatch, appear: Callable[[], object]) -> None:
    """Lets something happen while `ampl data make` collects."""
    collect = Recipe.run

    def late(self: Recipe, *arguments: Any) -> Any:
        made = collect(self, *arguments)
        appear()
        return made

    monkeypatch.setattr(Recipe, "run", late)


def test_of_two_makes_of_one_file_the_second_is_refused_and_keeps_its_own_beside(
    run: Any, mistake: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out, others = tmp_path / "f.hdf5", tmp_path / "others.hdf5"
    run("make", "maze2d-umaze-v1", "--steps", "30", "--seed", "1", "--out", str(others))
    for kept in ("f-2.hdf5", "f-3.hdf5"):
        with monkeypatch.context() as patch:
            appear_meanwhile(patch, lambda: shutil.copy(others, out))
            message = mistake("make", "maze2d-umaze-v1", "--steps", "40", "--out", str(out))
        assert f"{out} was made by another process in the meantime; it stays." in message
        assert f"What this command made is {tmp_path / kept}." in message
        assert out.read_bytes() == others.read_bytes()
        assert read_d4rl(tmp_path / kept, UMAZE).n_rows == 40
        out.unlink()


@pytest.mark.parametrize("earlier", [False, True])
def test_overwriting_is_of_what_was_there_when_the_make_began(
    run: Any, mistake: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, earlier: bool
) -> None:
    out, others = tmp_path / "f.hdf5", tmp_path / "others.hdf5"
    run("make", "maze2d-umaze-v1", "--steps", "30", "--seed", "1", "--out", str(others))
    content = others.read_bytes()
    if earlier:
        run("make", "maze2d-umaze-v1", "--steps", "20", "--out", str(out))
    appear_meanwhile(monkeypatch, lambda: others.replace(out))
    assert "it stays" in mistake("make", "maze2d-umaze-v1", "--steps", "40", "--out", str(out), "--overwrite")
    assert out.read_bytes() == content
    assert read_d4rl(tmp_path / "f-2.hdf5", UMAZE).n_rows == 40


def test_a_foreign_file_that_appears_during_a_make_stays_even_where_ours_would_be_replaced(
    mistake: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = tmp_path / "f.hdf5"
    appear_meanwhile(monkeypatch, lambda: out.write_bytes(b"mine"))
    message = mistake("make", "maze2d-umaze-v1", "--steps", "40", "--out", str(out), "--overwrite")
    assert "it stays" in message
    assert str(tmp_path / "f-2.hdf5") in message
    assert out.read_bytes() == b"mine"


def test_a_download_that_is_done_during_a_make_keeps_its_record(
    mistake: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    out = tmp_path / "f.hdf5"

    def arrive() -> None:
        write_plain(out, arrays_of(maze_data()))
        write_record(out, DownloadRecord(url="http://host/f", size=1, sha256=dataset_sha256(out)))

    appear_meanwhile(monkeypatch, arrive)
    mistake("make", "maze2d-umaze-v1", "--steps", "40", "--out", str(out))
    assert record_path(out).exists()


def test_make_forgets_the_record_of_a_download_that_is_gone(run: Any) -> None:
    dataset_path(UMAZE).parent.mkdir()
    write_record(dataset_path(UMAZE), DownloadRecord(url="http://host/f", size=1, sha256="0" * 64))
    run("make", "maze2d-umaze-v1")
    assert not record_path(dataset_path(UMAZE)).exists()


def test_an_interrupted_make_leaves_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "make", "hopper-medium-v2"]) == 130
    assert not folder.exists()
