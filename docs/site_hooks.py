"""What the site adds to the pages of docs/: pages from elsewhere, source files, line numbers, tables of settings.

MkDocs calls the functions `on_...` (mkdocs.yml names this file). Pages are written so that they read well in the
repository, too: links are relative paths, and a link to code names a symbol, `../ampl/training.py#train.first`. Here it
becomes a link to the symbol's line on a page of the site that shows the file. Comments stand for what is put in their
place: `<!-- file: examples/... -->` for a file below docs/, `<!-- settings: ... -->` for a table.
"""

from __future__ import annotations

import ast
import json
import posixpath
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ELSEWHERE = {"README.md": "project.md", "CHANGELOG.md": "changelog.md", "results/README.md": "results.md"}
"""Pages that stand elsewhere in the repository, and their names on the site."""

_CODE_LINK = re.compile(r"\[(?P<text>[^]]*)\]\((?P<target>[^)\s#]+\.py)#(?P<symbol>[\w.]+)\)")
_LINK = re.compile(r"\]\((?P<target>(?!https?:)[^)\s#]*)(?:#(?P<anchor>[^)\s]*))?\)")
_FENCE = re.compile(r"(^```.*?^```$)", flags=re.MULTILINE | re.DOTALL)
_SHOWN = re.compile(r"^<!-- file: (?P<path>examples/\S+) -->$", flags=re.MULTILINE)
_SETTINGS = re.compile(r"^<!-- settings: (?P<names>.+) -->$", flags=re.MULTILINE)


def find_symbol(source: str, symbol: str) -> ast.stmt:
    """The statement that defines a dotted symbol: classes and functions, and at last a name that is assigned in them.

    Raises:
        LookupError: it is not defined there.
    """
    node: Any = ast.parse(source)
    for part in symbol.split("."):
        found = next((each for each in _inside(node) if part in _names(each)), None)
        if found is None:
            raise LookupError(f"'{part}' of '{symbol}' is not defined")
        node = found
    return node


def _inside(node: ast.AST) -> Iterator[ast.AST]:
    """Statements in the order of lines, without those of functions and classes within."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, ast.ClassDef | ast.FunctionDef):
            yield from _inside(child)


def _names(node: ast.AST) -> set[str]:
    """What a statement defines."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}


def on_files(files: Any, config: Any) -> Any:
    """Adds the pages from elsewhere, and a page for every source file that a page links to."""
    from mkdocs.structure.files import File

    for path, name in ELSEWHERE.items():
        files.append(File.generated(config, name, content=(ROOT / path).read_text(encoding="utf-8")))
    linked = {path for page in files.documentation_pages() for path in _code_linked(page)}
    for path in sorted(linked):
        text = (ROOT / path).read_text(encoding="utf-8")
        language = path.rpartition(".")[2] if path.endswith((".py", ".toml")) else "text"
        page = f'# {path}\n\n~~~~~~~~ {{.{language} linenums="1"}}\n{text}~~~~~~~~\n'
        files.append(File.generated(config, _source_page(path), content=page))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links as the site has them, files and the tables of settings."""
    if page.file.src_uri.startswith("source/"):
        return markdown
    parts = _FENCE.split(markdown)
    for index, part in enumerate(parts[::2]):
        part = _CODE_LINK.sub(lambda found: _link_to_line(found, page.file), part)
        parts[2 * index] = _LINK.sub(lambda found: _site_link(found, page.file), part)
    text = _SHOWN.sub(lambda found: _file_text(found["path"]), "".join(parts))
    return _SETTINGS.sub(lambda found: settings_table(found["names"].split()), text)


def _file_text(path: str) -> str:
    """A file of docs/ as a page shows it."""
    language, title = path.rpartition(".")[2], path.removeprefix("examples/")
    return f'```{language} title="{title}"\n{(ROOT / "docs" / path).read_text(encoding="utf-8")}```'


def settings_table(names: list[str]) -> str:
    """What `ampl settings NAMES` prints, as a table."""
    from ampl.command_line.main import main
    from ampl.markdown import as_code, sentence_as_markdown
    from ampl.setting_values import value_text

    with redirect_stdout(StringIO()) as printed:
        code = main(["settings", *names, "--json"])
    if code:
        raise SystemExit(f"ampl settings {' '.join(names)} failed")
    lines = ["| setting | value | from | meaning |", "|---|---|---|---|"]
    for each in json.loads(printed.getvalue())["settings"]:
        value = as_code(value_text(each["value"]))
        lines.append(f"| {as_code(each['key'])} | {value} | {each['from']} | {sentence_as_markdown(each['meaning'])} |")
    return "\n".join(lines)


def _repository_path(file: Any) -> str:
    """Where a page of the site stands in the repository."""
    return next((path for path, name in ELSEWHERE.items() if name == file.src_uri), f"docs/{file.src_uri}")


def _linked_path(target: str, file: Any) -> str:
    """What a relative link of a page leads to, from the root of the repository."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(_repository_path(file)), target))


def _code_linked(file: Any) -> Iterator[str]:
    text = _FENCE.sub("", file.content_string)
    for path in (_linked_path(found["target"], file) for found in _LINK.finditer(text) if found["target"]):
        if not _is_page(path) and path not in ELSEWHERE:
            yield path


def _is_page(path: str) -> bool:
    """Whether a path in the repository belongs to the pages; examples are code, although they stand beside them."""
    return path.startswith("docs/") and not path.startswith("docs/examples/")


def _source_page(path: str) -> str:
    return f"source/{path}.md"


def _link_to_line(found: re.Match[str], file: Any) -> str:
    """A link to the line of a symbol, as HTML: MkDocs does not know that the lines of a source page have names."""
    path = _linked_path(found["target"], file)
    line = find_symbol((ROOT / path).read_text(encoding="utf-8"), found["symbol"]).lineno
    page = posixpath.relpath(_source_page(path).removesuffix(".md"), posixpath.dirname(file.src_uri) or ".")
    return f'<a href="{page}.html#__codelineno-0-{line}">{found["text"]}</a>'


def _site_link(found: re.Match[str], file: Any) -> str:
    """The same link between pages of the site."""
    target, anchor = found["target"], found["anchor"]
    if not target:
        return found[0]
    path = _linked_path(target, file)
    place = path.removeprefix("docs/") if _is_page(path) else ELSEWHERE.get(path, _source_page(path))
    place = place if Path(place).suffix else f"{place}/index.md"
    link = posixpath.relpath(place, posixpath.dirname(file.src_uri) or ".")
    return f"]({link}#{anchor})" if anchor else f"]({link})"
