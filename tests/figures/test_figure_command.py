"""`ampl figure`: what it writes, what it leaves alone, and what it says when it cannot."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import tyro

from ampl.errors import AmplError, ForeignFileError, InvalidArgumentError, InvalidFileError, UnknownNameError
from figures.commands import Figure
from figures.registry import FIGURES
from tests.figures.inputs.synthetic_records import write_record
from tests.figures.inputs.synthetic_runs import UMAZE, write_run

NAME = "theorem1-constant"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    write_record(folder / "records" / f"{NAME}.npz", NAME)
    return folder


def test_by_default_png_and_pdf_go_below_the_runs_folder(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Figure(name=NAME, runs=runs).run() == 0
    png, pdf = runs / "figures" / f"{NAME}.png", runs / "figures" / f"{NAME}.pdf"
    assert png.read_bytes().startswith(b"\x89PNG")
    assert pdf.read_bytes().startswith(b"%PDF-")
    assert capsys.readouterr().out.splitlines() == [str(png), str(pdf)]


@pytest.mark.parametrize(
    ("out", "written"), [("a.pdf", {"a.pdf"}), ("a.svg", {"a.svg"}), ("a.PNG", {"a.PNG", "a.pdf"})]
)
def test_the_suffix_of_out_decides_the_format(runs: Path, tmp_path: Path, out: str, written: set[str]) -> None:
    folder = tmp_path / "new" / "folder"
    Figure(name=NAME, runs=runs, out=folder / out).run()
    assert {path.name for path in folder.iterdir()} == written


@pytest.mark.parametrize("out", ["a.png", "a.pdf", "a.svg"])
def test_its_own_files_are_replaced(runs: Path, tmp_path: Path, out: str) -> None:
    figure = Figure(name=NAME, runs=runs, out=tmp_path / out)
    figure.run()
    first = (tmp_path / out).read_bytes()
    assert figure.run() == 0
    assert (tmp_path / out).read_bytes() == first


@pytest.mark.parametrize("taken", ["a.png", "a.pdf"])
def test_a_file_of_someone_else_stays_and_nothing_is_written(runs: Path, tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).write_bytes(b"precious")
    with pytest.raises(ForeignFileError, match="was not written by ampl"):
        Figure(name=NAME, runs=runs, out=tmp_path / "a.png").run()
    assert (tmp_path / taken).read_bytes() == b"precious"
    assert {path.name for path in tmp_path.glob("a.*")} == {taken}


def test_mistakes_of_the_user_are_one_line_each(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    mistakes: list[tuple[Figure, type[AmplError], str]] = [
        (Figure(name="theorem2", runs=runs), UnknownNameError, "Did you mean 'theorem1'"),
        (Figure(name=NAME, runs=runs, out=Path("a.jpg")), InvalidArgumentError, "ends in .png, .pdf, .svg"),
        (Figure(name="table1", runs=runs, out=Path("a.png")), InvalidArgumentError, "ends in .md, .csv"),
        (Figure(name="table1", runs=runs), InvalidFileError, "no scored run"),
        (Figure(name="figure2", runs=runs), InvalidFileError, "`ampl train ampl .*` makes one"),
        (Figure(name="figure1", runs=runs, task=UMAZE), InvalidArgumentError, "--task is for figure2 only"),
        (Figure(name=NAME, runs=runs, seed=0), InvalidArgumentError, "--seed is for figure2 only"),
        (Figure(name="table2", runs=runs, paper=True), InvalidArgumentError, "--paper is for figure2 only"),
        (Figure(name=NAME, runs=tmp_path / "nowhere"), InvalidFileError, "does not exist"),
        (Figure(name=NAME, runs=tmp_path / "file"), InvalidFileError, "is not a folder"),
        (Figure(name=NAME, runs=runs, out=tmp_path / "file" / "a.png"), InvalidFileError, "cannot write"),
    ]
    for figure, error, message in mistakes:
        with pytest.raises(error, match=message) as caught:
            figure.run()
        assert "\n" not in str(caught.value)


def test_the_command_line_takes_a_name_and_options() -> None:
    parsed = tyro.cli(Figure, args=["theorem1", "--runs", "r", "--out", "f.pdf"])
    assert parsed == Figure(name="theorem1", runs=Path("r"), out=Path("f.pdf"))
    assert tyro.cli(Figure, args=["theorem1"]) == Figure(name="theorem1", runs=Path("runs"), out=None)
    parsed = tyro.cli(Figure, args=["figure2", "--task", UMAZE, "--seed", "3", "--paper"])
    assert parsed == Figure(name="figure2", task=UMAZE, seed=3, paper=True)


def test_the_help_names_every_figure() -> None:
    source = Path(sys.modules[Figure.__module__].__file__ or "").read_text()
    assert all(name in source for name in FIGURES)


def test_the_csv_alone_can_be_asked_for(tmp_path: Path) -> None:
    write_run(tmp_path / "runs", UMAZE)
    Figure(name="table1", runs=tmp_path / "runs", out=tmp_path / "t.csv").run()
    assert {path.name for path in tmp_path.iterdir()} == {"runs", "t.csv"}


@pytest.mark.parametrize("taken", ["a.md", "a.csv"])
def test_a_text_of_someone_else_stays(tmp_path: Path, taken: str) -> None:
    write_run(tmp_path / "runs", UMAZE)
    (tmp_path / taken).write_text("dataset,precious\n")
    with pytest.raises(ForeignFileError, match="was not written by ampl"):
        Figure(name="table1", runs=tmp_path / "runs", out=tmp_path / "a.md").run()
    assert {path.name for path in tmp_path.iterdir()} == {"runs", taken}
