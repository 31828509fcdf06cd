"""`ampl report`: what a folder fills is on the page, which needs nothing from elsewhere."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from ampl.errors import AmplError
from ampl.files import SIGNATURE
from figures.inputs.runs import find_all_runs
from figures.registry import FIGURES, TableFromRuns
from figures.report.command import Report
from figures.report.facts import settings_table
from tests.figures.inputs.synthetic_runs import write_run
from tests.figures.report.html_page import SHOWN_RECORDS, Page


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


def test_settings_of_an_algorithms_exact_runs_are_not_compared_with_those_of_its_deep_ones(tmp_path: Path) -> None:
    write_run(tmp_path, "hopper-medium-v2", algorithm="cql")
    (deep,) = find_all_runs(tmp_path)
    exact = replace(deep, exact=True, configuration={"alpha": 0.05})
    assert settings_table([deep, exact]) is None
    table = settings_table([deep, exact, replace(exact, configuration={"alpha": 0.1})])
    assert table is not None
    assert [row[:2] for row in table.rows] == [("cql", "alpha")]


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
    from_runs = {"conservatism-deep", "figure1", "figure2", "learning-curves", "reached-score"}
    from_damo = {"damo-training", "damo-alpha"}
    assert list(pictures) == [name for name in FIGURES if name in {*SHOWN_RECORDS, *from_runs, *from_damo}]
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
    assert "2 claims on up to 1,234 cases each; 1 with another verdict than theory gives." in page.text


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
