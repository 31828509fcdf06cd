"""A page of HTML taken apart, so that tests can ask what is on it; how tests have one written."""

from html.parser import HTMLParser
from pathlib import Path

from ampl.claims import ClaimRecord, Verdict
from figures.report.command import Report

VOID = {"meta", "img"}  # elements of ours that have no end
SHOWN_RECORDS = ("proposition2", "theorem1-constant")


class Page(HTMLParser):
    """Checks that every element is closed in order; keeps texts, attributes and pictures by the section they are in."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.pictures: dict[str, str] = {}
        self.cells: dict[str, list[str]] = {}
        self.texts: list[str] = []
        self.feed(source)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.elements.append((tag, given))
        if given.get("id"):
            self.ids.append(str(given["id"]))
        if tag == "img":
            self.pictures[self.ids[-1]] = str(given["src"])
        if tag in ("td", "th"):
            self.cells.setdefault(self.ids[-1], []).append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[self.ids[-1]][-1] += data

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())


def claim(name: str, **changed: object) -> ClaimRecord:
    known = {"source": "AMPL, Eq. 1", "verdict": Verdict.HOLDS, "expected": Verdict.HOLDS, "worst": 0.25, "cases": 1234}
    return ClaimRecord(claim=name, **(known | changed))  # type: ignore[arg-type]


def write_page(folder: Path, out: Path) -> Page:
    assert Report(folder=folder, out=out).run() == 0
    return Page(out.read_text())
