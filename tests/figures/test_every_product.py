"""What holds for every figure and table: its text can be read, its bytes repeat, and without runs one line helps."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from ampl.errors import InvalidFileError
from figures.commands import Figure
from figures.registry import FIGURES, FromRecord, TableFromRuns
from figures.training.ampl_figure2 import Selection
from tests.figures.drawing.drawn_text import check_text_is_readable, draw
from tests.figures.inputs.synthetic_records import RECORDS, theorem1, write_record
from tests.figures.inputs.synthetic_runs import UMAZE, write_lqr_run, write_run, write_walker_runs
from tests.figures.training.damo_runs import HOPPER, WALKER2D, samples, write_damo_run

TABLES = [name for name, product in FIGURES.items() if isinstance(product, TableFromRuns)]
PICTURES = [name for name in FIGURES if name not in TABLES]
ALL_FORMATS = dict.fromkeys(("theorem1-constant", "damo-alignment"), (".png", ".pdf", ".svg"))
"""Of a picture of lines and of one of points drawn as pixels; the others have one format, which holds all of it."""
OF_RUNS = [name for name, product in FIGURES.items() if not isinstance(product, FromRecord)]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that fills every figure and table."""
    folder = tmp_path_factory.mktemp("runs")
    for name in RECORDS:
        write_record(folder / "records" / f"{name}.npz", name, **(theorem1(40) if name == "theorem1" else {}))
    write_run(folder, UMAZE, score=[12.5])
    write_walker_runs(folder, n_retrainings=2)
    for task in ("halfcheetah-jump", "ant-angle-30", HOPPER):
        path = write_run(folder, task, algorithm="mopo", score=[])
        (path / "metrics.csv").write_text("epoch,evaluation/score_mean,evaluation/return_mean\n1,33.5,1234.5\n")
    for variant, shift in {"main": 0.1, "no-er": 1.0, "no-ir": 0.5, "alpha-1": 0.0}.items():
        for seed in (0, 1):
            curves = {name: [10.0, 20.0 + seed, 30.0 * (1 + shift)] for name in ("score", "value", "truth")}
            alpha = 1.0 if variant == "alpha-1" else 3.0
            write_damo_run(folder, HOPPER, variant, seed, **curves, alpha=alpha, samples=samples(shift, seed=seed))
    write_damo_run(folder, WALKER2D, value=[1.0] * 3, truth=[2.0] * 3)
    for task, algorithm in (("lqr-pointmass", "mopo"), ("lqr-pointmass-bounded", "damo")):
        write_lqr_run(folder, task, algorithm)
    return folder


def source(name: str, runs: Path) -> Path:
    return runs if name in OF_RUNS else runs / "records" / f"{name}.npz"


def test_every_record_has_a_synthetic_one() -> None:
    assert set(RECORDS) == set(FIGURES) - set(OF_RUNS)


@pytest.mark.parametrize("name", PICTURES)
def test_no_text_leaves_the_canvas_or_overlaps_another(runs: Path, name: str) -> None:
    check_text_is_readable(draw(name, source(name, runs)))


@pytest.mark.parametrize("name", FIGURES)
def test_the_same_inputs_give_the_same_bytes(runs: Path, name: str) -> None:
    suffixes = FIGURES[name].written_for if name in TABLES else ALL_FORMATS.get(name, (".svg",))
    first, second = (FIGURES[name].make(runs, Selection(), suffixes) for _ in range(2))
    assert first == second
    assert set(first.files) == set(suffixes)


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_printed_and_written_as_markdown_and_csv(
    runs: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    figure = Figure(name=name, runs=runs, out=tmp_path / f"{name}.md")
    assert figure.run() == figure.run() == 0  # its own files are replaced
    markdown, table = tmp_path / f"{name}.md", tmp_path / f"{name}.csv"
    printed = capsys.readouterr().out
    assert printed.splitlines()[-2:] == [str(markdown), str(table)]
    assert max(map(len, printed.splitlines()[:-2])) <= 180
    number = {"table1": "12.5", "table2": "12.5", "mopo-table1": "33.5", "mopo-table2": "1234.5",
              "mopo-table3": "1234.5", "damo-table2": "21.", "damo-values": "21."}[name]  # fmt: skip
    assert all(number in text for text in (printed, markdown.read_text(), table.read_text()))


@pytest.mark.parametrize("name", OF_RUNS)
def test_without_runs_one_line_says_what_makes_one(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "my runs"
    write_run(
        folder, "frozenlake-4x4", score=[] if name in ("learning-curves", "reached-score") else [50.0]
    )  # no task of a paper
    with pytest.raises(InvalidFileError, match=r"no .*run .* `ampl train .*` makes one") as caught:
        FIGURES[name].make(folder, Selection(), FIGURES[name].written_for)
    assert "\n" not in str(caught.value)
    assert shlex.split(str(caught.value).split("`")[1])[-2:] == ["--out", str(folder)]
