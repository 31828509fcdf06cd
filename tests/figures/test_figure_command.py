"""`ampl figure`: what it writes, what it leaves alone, and what it says when it cannot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import tyro

from ampl.errors import AmplError, ForeignFileError, InvalidArgumentError, InvalidFileError, UnknownNameError
from figures.commands import Figure
from tests.figures.synthetic_records import write_record

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
        (Figure(name=NAME, runs=tmp_path / "nowhere"), InvalidFileError, "does not exist"),
        (Figure(name=NAME, runs=tmp_path / "file"), InvalidFileError, "is not a folder"),
        (Figure(name=NAME, runs=runs, out=tmp_path / "file" / "a.png"), InvalidFileError, "cannot write"),
    ]
    for figure, error, message in mistakes:
        with pytest.raises(error, match=message) as caught:
            figure.run()
        assert "\n" not in str(caught.value)


def test_the_command_line_takes_a_name_and_two_options() -> None:
    parsed = tyro.cli(Figure, args=["theorem1", "--runs", "r", "--out", "f.pdf"])
    assert parsed == Figure(name="theorem1", runs=Path("r"), out=Path("f.pdf"))
    assert tyro.cli(Figure, args=["theorem1"]) == Figure(name="theorem1", runs=Path("runs"), out=None)


@pytest.mark.parametrize(
    ("imported", "absent"),
    [
        ("figures", {"torch", "matplotlib", "tabular", "continuous"}),
        ("figures.commands", {"torch", "matplotlib", "numpy"}),
        ("figures.registry", {"torch", "matplotlib.pyplot", "tabular", "continuous"}),
    ],
)
def test_importing_stays_light(imported: str, absent: set[str]) -> None:
    script = f"import sys, {imported}; print(*sorted({absent!r} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == ""
