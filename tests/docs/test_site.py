"""Links from equations lead to the lines that compute them; the site is built without a warning and loads nothing."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs.site_hooks import find_symbol

ROOT = Path(__file__).parents[2]
ALGORITHMS = ("ampl", "mopo", "damo", "baselines")

_LINK = re.compile(r"\[(?P<text>[^]]*)\]\((?P<target>[^)#\s]+\.py)#(?P<symbol>[\w.]+)\)")
_EQUATIONS = re.compile(r"Eqs?\. (?P<numbers>\d+(?:(?:, | and |-)\d+)*)")
_LOADED = re.compile(
    r"""<(?:script|img|iframe|source|video)[^>]*\ssrc=["']?(?:https?:)?//|<link[^>]*\shref=["']?(?:https?:)?//"""
)
_LOADED_BY_STYLE = re.compile(r"""url\(["']?(?:https?:)?//|@import""")


def links() -> list[tuple[str, str, Path, str]]:
    """Page, text, file and symbol of every link from a page of an algorithm to code."""
    return [
        (page, found["text"], (ROOT / "docs" / found["target"]).resolve(), found["symbol"])
        for page in ALGORITHMS
        for found in _LINK.finditer((ROOT / f"docs/{page}.md").read_text(encoding="utf-8"))
    ]


def equations_named(code: str) -> set[int]:
    """Numbers in "Eq. 4", "Eqs. 4 and 6", "Eqs. 12-17"."""
    numbers: set[int] = set()
    for found in _EQUATIONS.finditer(code):
        for part in re.split(", | and ", found["numbers"]):
            first, _, last = part.partition("-")
            numbers |= set(range(int(first), int(last or first) + 1))
    return numbers


@pytest.mark.parametrize(("page", "text", "file", "symbol"), links())
def test_a_link_to_code_leads_to_the_line_that_defines_its_symbol(
    page: str, text: str, file: Path, symbol: str
) -> None:
    source = file.read_text(encoding="utf-8")
    line = source.splitlines()[find_symbol(source, symbol).lineno - 1]
    assert re.search(rf"\b{symbol.rpartition('.')[2]}\b", line), line


@pytest.mark.parametrize(("page", "text", "file", "symbol"), [each for each in links() if "Eq." in each[1]])
def test_the_function_that_an_equation_links_to_names_the_equation(
    page: str, text: str, file: Path, symbol: str
) -> None:
    source = file.read_text(encoding="utf-8")
    function = find_symbol(source, ".".join(symbol.split(".")[:2]))
    assert isinstance(function, ast.FunctionDef)
    assert equations_named(text) <= equations_named(ast.get_source_segment(source, function) or "")


def test_every_algorithm_has_links_to_code() -> None:
    assert {page for page, *_ in links()} == set(ALGORITHMS)
    assert len([text for _, text, *_ in links() if "Eq." in text]) > 10


def test_symbols_that_are_not_there_are_noticed() -> None:
    source = "class A:\n    def f(self):\n        if self:\n            a, b = 1, 2\n"
    assert [find_symbol(source, symbol).lineno for symbol in ("A", "A.f", "A.f.b")] == [1, 2, 4]
    for symbol in ("B", "f", "A.b", "A.f.c"):
        with pytest.raises(LookupError):
            find_symbol(source, symbol)
    assert equations_named("Eqs. 4 and 6, Eqs. 12-14; Eq. 2") == {2, 4, 6, 12, 13, 14}


@pytest.mark.slow
def test_the_site_is_built_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(build, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 30
    loading = {page.name: found[0] for page in pages if (found := _LOADED.search(page.read_text(encoding="utf-8")))}
    assert loading == {}
    styles = [style.read_text(encoding="utf-8") for style in (tmp_path / "site").rglob("*.css")]
    assert [style for style in styles if _LOADED_BY_STYLE.search(style)] == []
    settings = (tmp_path / "site" / "mopo.html").read_text(encoding="utf-8")
    assert "<code>penalty_weight</code>" in settings
    (equation,) = re.findall(
        r'href="(source/[^"#]*critic.py.html)#(__codelineno-0-\d+)">Eq. 12<', (tmp_path / "site/ampl.html").read_text()
    )
    assert f'id="{equation[1]}"' in (tmp_path / "site" / equation[0]).read_text(encoding="utf-8")
