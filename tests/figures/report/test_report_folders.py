"""`ampl report` of any folder: where its runs come from is said, damage costs only itself, mistakes are one line."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

import pytest
from matplotlib.figure import Figure

from ampl.claims import write_claims
from ampl.command_line.main import main
from ampl.errors import ForeignFileError, InvalidArgumentError, InvalidFileError
from ampl.files import read_json, write_json
from figures.registry import FIGURES, FromRuns
from figures.report.command import Report
from figures.report.contents import collect
from tests.figures.inputs.synthetic_records import write_record
from tests.figures.inputs.synthetic_runs import SETTINGS, UMAZE, write_run
from tests.figures.report.html_page import claim, write_page

HOSTILE = "<script>alert(1)<!-- \"'&lt;"


def test_where_the_runs_come_from_is_said(tmp_path: Path) -> None:
    manifest = {"device": "cuda", "git": {"commit": "fedcba9876", "dirty": True}, "versions": {"torch": "9.8.7"}}
    write_run(tmp_path / "runs", seed=0, manifest=manifest, settings={**SETTINGS, "data": {"source": "original"}})
    write_run(tmp_path / "runs", seed=1, status=None)
    write_run(tmp_path / "runs", seed=2, status="stopped", message="critic/loss is nan")
    page = write_page(tmp_path / "runs", tmp_path / "page.html")
    for said in (
        "3 (finished: 1, stopped: 1, unfinished: 1); tasks: 1; algorithms: ampl",
        "re-created: 2, original: 1",
        "scaled down: 3",
        "cpu: 2, cuda: 1",
        "0123456: 2, fedcba9+: 1",
        "torch 9.8.7",
        "Not all runs are known to be on the original data",
        "seed 2 stopped and is not counted: critic/loss is nan",
    ):
        assert said in page.text
    assert "0, 1 (unfinished), 2 (stopped)" in page.cells["runs"]


def test_runs_in_deeper_folders_are_named_where_they_are_not_shown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_run(tmp_path / "first" / "longer")
    with pytest.raises(InvalidFileError, match=rf"There are runs in {tmp_path}/first/longer\."):
        collect(tmp_path)
    write_run(tmp_path / "first", seed=3)
    (warning,) = collect(tmp_path / "first").warnings
    assert warning.endswith(f"`ampl report` takes these: {tmp_path}/first/longer")
    assert warning in caplog.text
    assert not collect(tmp_path / "first" / "longer").warnings


def test_a_figure_that_fails_costs_only_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: Path) -> Figure:
        raise ZeroDivisionError("division\nby zero")

    write_run(tmp_path)
    monkeypatch.setitem(cast(dict[str, object], FIGURES), "learning-curves", FromRuns(fail))
    found = collect(tmp_path)
    assert "reached-score" in found.pictures
    assert "ZeroDivisionError: division by zero" in found.left_out["learning-curves"]
    assert "learning-curves is left out of the report: it failed (ZeroDivisionError: division by zero)" in caplog.text


def test_exact_runs_and_those_on_the_users_own_data_say_so(tmp_path: Path) -> None:
    exact, own = (write_run(tmp_path, name, algorithm="mopo", score=[], settings={}) for name in ("grid", "mine"))
    (exact / "metrics.csv").write_text("epoch,evaluation/return_mean\n1,0.5\n")
    write_json(own / "config.json", read_json(own / "config.json") | {"problem": {"file": "my.hdf5"}})
    contents = collect(tmp_path)
    assert contents.runs is not None
    columns = [contents.runs.columns.index(name) for name in ("task", "evaluation", "steps", "data", "schedule")]
    assert [tuple(row[column] for column in columns) for row in contents.runs.rows] == [
        ("grid", "exact", "none", "sampled", "exact"),
        ("mine", "none", "unknown", "own: my.hdf5", "unknown"),
    ]
    assert "last return on grid: 0.5" in contents.pictures["learning-curves"].finding


def test_no_caution_where_all_is_original_and_of_full_length(tmp_path: Path) -> None:
    settings = {**SETTINGS, "data": {"source": "original"}, "scaled": False}
    write_run(tmp_path / "runs", settings=settings)
    assert collect(tmp_path / "runs").caution == ""


def test_what_is_left_out_is_named_with_its_command_and_no_experiment_starts(tmp_path: Path) -> None:
    write_run(tmp_path / "runs")
    page = write_page(tmp_path / "runs", tmp_path / "page.html")
    end = page.text[page.text.rindex("Left out") :]
    assert "claims: no record of checked claims" in end
    assert f"ampl verify --json {tmp_path}/runs/claims.json makes one." in end
    assert "proposition2, theorem1, theorem1-constant, alternation," in end
    assert f"ampl figure NAME --runs {tmp_path}/runs computes one and draws it." in end
    assert f"damo-table2: no scored run of the paper's datasets below {tmp_path}/runs." in end
    assert "ampl verify" in page.text[: page.text.rindex("Left out")]
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {UMAZE}


def test_a_damaged_record_or_run_or_claims_file_costs_only_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    runs = tmp_path / "runs"
    write_run(runs)
    (write_run(runs, seed=1) / "config.json").write_text("{")
    write_record(runs / "records" / "theorem1-constant.npz", "theorem1-constant")
    (runs / "records" / "theorem1.npz").write_bytes(b"no archive")
    (runs / "verify").mkdir()
    (runs / "verify" / "quick.json").write_text("[]")
    page = write_page(runs, tmp_path / "page.html")
    end = page.text[page.text.rindex("Left out") :]
    assert "theorem1-constant" in page.pictures
    assert "theorem1.npz cannot be read as .npz" in end
    assert "quick.json holds no claim" in end
    assert "seed1 is left out" in end
    assert sum("seed1 is left out" in record.getMessage() for record in caplog.records) == 1


@pytest.mark.parametrize("place", ["claims.json", "verify.json", "verify/claims.json", "verify/quick.json"])
def test_claims_are_found_where_verify_is_told_to_write_them(tmp_path: Path, place: str) -> None:
    write_claims(tmp_path / "runs" / place, [claim("chain-rule")])
    contents = collect(tmp_path / "runs")
    assert contents.claims is not None
    assert contents.claims.rows[0][0] == "chain-rule"
    assert contents.runs is None


def test_a_hostile_name_stays_text(tmp_path: Path) -> None:
    runs = tmp_path / HOSTILE.replace("/", "")
    write_run(runs, UMAZE, status="stopped", message=HOSTILE)
    write_run(runs, HOSTILE, HOSTILE, algorithm="mopo")
    write_claims(runs / "claims.json", [claim(HOSTILE, source=HOSTILE)])
    page = write_page(runs, tmp_path / "page.html")
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.elements}
    assert HOSTILE in page.cells["claim-table"]
    assert page.cells["runs"].count(HOSTILE) == 2
    assert str(runs) in page.text


def test_control_characters_are_shown_on_the_page_and_in_its_pictures(tmp_path: Path) -> None:
    name = "a\x1b[31m\x07b"
    write_run(tmp_path, name, name, status="stopped", message=name)
    write_run(tmp_path, UMAZE, name, manifest={"device": name})
    write_page(tmp_path, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert r"a\x1b[31m\x07b" in text
    assert all(character.isprintable() or character == "\n" for character in text)


def test_a_folder_whose_name_is_not_text_can_be_reported(tmp_path: Path) -> None:
    runs = tmp_path / os.fsdecode(b"r\xffns")
    write_claims(runs / "claims.json", [claim("chain-rule")])
    assert r"r\udcffns" in write_page(runs, tmp_path / "page.html").text


def test_a_page_of_someone_else_stays(full: Path, tmp_path: Path) -> None:
    out = tmp_path / "index.html"
    out.write_text("<title>precious</title>")
    with pytest.raises(ForeignFileError, match="was not written by ampl"):
        Report(folder=full, out=out).run()
    assert out.read_text() == "<title>precious</title>"


def _nothing(folder: Path) -> None:
    folder.mkdir()


def _a_file(folder: Path) -> None:
    folder.write_text("x")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: None, "does not exist"),
        (_a_file, "is not a folder"),
        (_nothing, "holds neither runs nor records nor claims"),
    ],
)
def test_a_folder_that_fills_nothing_is_one_line_and_exit_code_2(
    tmp_path: Path, make: Callable[[Path], None], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make(tmp_path / "runs")
    with pytest.raises(InvalidFileError, match=said) as caught:
        Report(folder=tmp_path / "runs", out=tmp_path / "page.html").run()
    assert "\n" not in str(caught.value)
    assert main(["report", str(tmp_path / "runs"), "--out", str(tmp_path / "page.html")]) == 2
    assert capsys.readouterr().err.count(said) == 1
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize("arguments", [["r", "--out", "page.pdf"], ["r"], ["--out", "page.html"]])
def test_mistakes_on_the_command_line_are_one_line(
    arguments: Sequence[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", *arguments]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_out_must_be_html(full: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"ends in \.html"):
        Report(folder=full, out=Path("page.htm")).run()
