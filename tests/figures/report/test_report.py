"""`ampl report`: what a folder fills is on the page, nothing is computed for it, and hostile names stay text."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from ampl.claims import ClaimRecord, Verdict, write_claims
from ampl.command_line.main import main
from ampl.errors import AmplError, ForeignFileError, InvalidArgumentError, InvalidFileError
from ampl.files import SIGNATURE
from figures import registry
from figures.registry import FIGURES, TableFromRuns
from figures.report.command import Report
from figures.report.contents import collect
from tests.figures.inputs.synthetic_records import write_record
from tests.figures.inputs.synthetic_runs import SETTINGS, UMAZE, weights_like_the_papers, write_run
from tests.figures.report.html_page import Page
from tests.figures.training.damo_runs import write_damo_run

WALKER = "walker2d-medium-replay-v2"
SHOWN_RECORDS = ("proposition2", "theorem1-constant")
HOSTILE = "<script>alert(1)<!-- \"'&lt;"


@pytest.fixture(autouse=True, scope="module")
def no_experiment() -> Iterator[None]:
    """Every test fails that would start one."""

    def refuse(name: str, runs: Path) -> Path:
        raise AssertionError(f"experiment '{name}' was started")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "find_or_make_record", refuse)
        patch.setattr("ampl.experiments.make_record", refuse)
        yield


def claim(name: str, **changed: object) -> ClaimRecord:
    known = {"source": "AMPL, Eq. 1", "verdict": Verdict.HOLDS, "expected": Verdict.HOLDS, "worst": 0.25, "cases": 1234}
    return ClaimRecord(claim=name, **(known | changed))  # type: ignore[arg-type]


def write_page(folder: Path, out: Path) -> Page:
    assert Report(folder=folder, out=out).run() == 0
    return Page(out.read_text())


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with runs of all algorithms, two records and two claims."""
    folder = tmp_path_factory.mktemp("full") / "runs"
    write_run(folder, UMAZE, score=[12.5])
    write_run(folder, WALKER, score=[41.25], weights=weights_like_the_papers("main", 300, 3))
    write_run(folder, "hopper-medium-v2", algorithm="mopo", score=[33.5])
    other = {"penalty_weight": 2.5}
    settings = {**SETTINGS, **other}
    write_run(folder, "hopper-medium-v2", seed=3, algorithm="mopo", score=[55.5], changed=other, settings=settings)
    write_damo_run(folder, score=[71.5], value=[200.25], truth=[150.5])
    for name in SHOWN_RECORDS:
        write_record(folder / "records" / f"{name}.npz", name)
    surprise = claim("theorem1-printed", verdict=Verdict.FAILS_AS_PRINTED, worst=1.875)
    write_claims(folder / "claims.json", [claim("occupancy-flow"), surprise])
    return folder


@pytest.fixture(scope="module")
def written(full: Path) -> Path:
    Report(folder=full, out=full.parent / "page.html").run()
    return full.parent / "page.html"


def test_every_table_is_there_with_all_its_cells(full: Path, written: Path) -> None:
    page = Page(written.read_text())
    compiled = {}
    for name, product in FIGURES.items():
        if isinstance(product, TableFromRuns):
            try:
                compiled[name] = product.compile(full)
            except AmplError:
                assert name not in page.ids
    assert set(compiled) == {"table1", "table2", "mopo-table1", "damo-table2", "damo-values"}
    for name, table in compiled.items():
        assert page.cells[name] == [*table.columns, *(cell for row in table.rows for cell in row)]
        assert all(note.replace("`", "") in page.text for note in table.notes)
    for name, number in {"table1": "12.5", "table2": "41.2", "mopo-table1": "33.5", "damo-table2": "71.5"}.items():
        assert number in page.cells[name]
    assert {"200.2", "150.5", "49.8"} <= set(page.cells["damo-values"])


def test_runs_with_other_settings_have_a_row_of_their_own_and_count_in_no_table(written: Path) -> None:
    page = Page(written.read_text())
    cells = page.cells["runs"]
    for label, seed in (("main", "0"), ("main, penalty_weight=2.5", "3")):
        assert cells[cells.index("mopo", cells.index(label) - 1) :][:3] == ["mopo", label, seed]
    others = {
        name: there for name, there in page.cells.items() if not name.startswith(("runs", "settings", "comparison"))
    }
    assert not any("55.5" in cell for there in others.values() for cell in there)


def test_settings_that_differ_are_a_table(written: Path) -> None:
    cells = Page(written.read_text()).cells["settings"]
    row = cells.index("penalty_weight")
    assert cells[row - 1] == "mopo"
    assert "2.5: hopper-medium-v2/main, penalty_weight=2.5" in cells[row + 1]


def test_nothing_is_wider_than_the_page_but_scrolls_in_its_own_box(written: Path) -> None:
    source = written.read_text()
    assert ".wide { overflow-x: auto; max-width: 100%; }" in source
    assert "img { max-width: 100%; height: auto; }" in source
    inside = re.findall(r'<div class="wide"[^>]*>(.*?)</div>', source, re.DOTALL)
    for tag in ("<table", "<img"):
        assert sum(each.count(tag) for each in inside) == source.count(tag) > 0


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs the browser chromium")
@pytest.mark.parametrize("width", [400, 1280])
def test_a_browser_shows_the_page_without_scrolling_sideways(written: Path, tmp_path: Path, width: int) -> None:
    told = "<script>const e = document.documentElement; document.title = e.scrollWidth - e.clientWidth</script>"
    source = re.sub(r"<meta http-equiv[^>]*>", "", written.read_text()).replace("</body>", f"{told}</body>")
    (tmp_path / "page.html").write_text(source)
    command = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", f"--window-size={width},900"]
    shown = subprocess.run([*command, (tmp_path / "page.html").as_uri()], capture_output=True, text=True, check=True)
    assert "<title>0</title>" in shown.stdout


def test_every_figure_that_can_be_drawn_is_a_picture_inside_the_page(written: Path) -> None:
    pictures = Page(written.read_text()).pictures
    assert list(pictures) == [
        name
        for name in FIGURES
        if name in {*SHOWN_RECORDS, "figure1", "figure2", "learning-curves", "damo-training", "damo-alpha"}
    ]
    for source in pictures.values():
        assert base64.b64decode(source.removeprefix("data:image/png;base64,"))[:4] == b"\x89PNG"


def test_the_sections_stand_in_their_order_and_the_contents_point_to_them(written: Path) -> None:
    page = Page(written.read_text())
    sections = ["origin", "runs", "comparison", "claims", "tables", "table1", "figures", "figure1", "left-out"]
    assert [name for name in page.ids if name in sections] == sections
    assert len(set(page.ids)) == len(page.ids)
    links = [str(given["href"]) for tag, given in page.elements if tag == "a"]
    assert [link for link in links if link[1:] in (*sections, "settings")] == [
        *("#origin", "#runs", "#settings", "#comparison", "#claims", "#tables", "#table1"),
        *("#figures", "#figure1", "#left-out"),
    ]
    assert {link[1:] for link in links} <= set(page.ids)  # every link leads somewhere
    assert set(page.cells) | set(page.pictures) <= {link[1:] for link in links} | {
        name for name in page.ids if name.startswith(("claim-table", "comparison-"))
    }


def test_claims_stand_with_verdict_cases_and_worst_and_a_surprise_is_marked(written: Path) -> None:
    page = Page(written.read_text())
    assert page.cells["claim-table"][5:] == [
        *("occupancy-flow", "holds", "1,234", "0.25", "AMPL, Eq. 1"),
        *("theorem1-printed", "fails as printed (expected: holds)", "1,234", "1.88", "AMPL, Eq. 1"),
    ]
    assert "2 claims on up to 1,234 finite MDPs each; 1 with another verdict than theory gives." in page.text


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


def test_the_page_needs_nothing_from_elsewhere(written: Path) -> None:
    source = re.sub(r"base64,[^\"]*", "", written.read_text())
    page = Page(source)
    loaded = [given.get("src") or given.get("href") or "" for _, given in page.elements]
    assert all(address.startswith(("data:", "#")) for address in loaded if address)
    assert "http:" not in source
    assert "https:" not in source
    assert "url(" not in source
    assert not any(name.startswith("on") for _, given in page.elements for name in given)


def test_the_same_folder_gives_the_same_bytes_and_replaces_its_own_page(full: Path, written: Path) -> None:
    first = written.read_bytes()
    assert SIGNATURE.encode() in first[:200]  # where `check_replaceable` finds it, however long the names
    assert Report(folder=full, out=written).run() == 0
    assert written.read_bytes() == first


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
