"""Every block of docs/tutorials/ is run as it stands there, in order, in an empty folder; what a page shows is printed.

```python                   code, in one session a page
```python title="FILE.py"   written to that file instead
```sh                       commands: `ampl ...`, and `pip install -e FOLDER` of this repository
```text                     what the block before printed has these lines; ... stands for anything
"""

from __future__ import annotations

import doctest
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ampl.command_line.main import main
from tests.ampl.plugin_packages import pip_install

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "tutorials").glob("*.md"))

_BLOCK = re.compile(r'^```(?P<kind>\w+)(?: title="(?P<file>[^"]+)")?\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL)


def commands(text: str) -> Iterator[list[str]]:
    """The words of each line, and of those that it continues in."""
    for line in text.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            yield words


def lacks(shown: str, printed: str) -> str:
    """The first line that was not printed, in the order of the page; empty if all were."""
    same = doctest.OutputChecker().check_output
    lines = iter(printed.splitlines())
    for wanted in filter(str.strip, shown.splitlines()):
        options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        if not any(same(f"{wanted.strip()}\n", f"{line.strip()}\n", options) for line in lines):
            return wanted
    return ""


@pytest.mark.parametrize(
    "page", [pytest.param(page, id=page.stem, marks=[pytest.mark.slow] * (page.stem[0] in "135")) for page in PAGES]
)
def test_the_blocks_of_a_tutorial_run_and_print_what_it_shows(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    session: dict[str, Any] = {}
    printed = ""
    for block in _BLOCK.finditer(page.read_text(encoding="utf-8")):
        kind, text = block["kind"], block["text"]
        if block["file"]:
            (tmp_path / block["file"]).write_text(text, encoding="utf-8")
        elif kind == "text":
            assert not lacks(text, printed), f"not printed: {lacks(text, printed)}\n{printed}"
        elif kind == "python":
            exec(compile(text, str(page), "exec"), session)
        else:
            assert kind == "sh"
            for words in commands(text):
                if words[:2] == ["pip", "install"]:
                    monkeypatch.syspath_prepend(str(pip_install(ROOT / words[-1], tmp_path / "package")))
                else:
                    assert words[0] == "ampl", words
                    assert main(words[1:]) == 0, words
        if kind != "text":
            printed = "".join(capsys.readouterr())


def test_what_was_not_printed_is_noticed() -> None:
    assert not lacks("a ... c\nd", "a b c\nx\n  d\n")
    assert lacks("d\na ... c", "a b c\nx\nd\n") == "a ... c"
    assert list(commands("ampl a \\\n  b\n# no\npip install c  # yes")) == [["ampl", "a", "b"], ["pip", "install", "c"]]


def test_there_are_five_tutorials() -> None:
    assert len(PAGES) == 5
