"""The rooms of `continuous/`: imports run from upper floors to lower ones only, and deep MOPO is read in few files."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FLOORS = (
    {"commands"},
    {"wing", "recreate", "experiments", "claims"},
    {"algorithms"},
    {"weights"},
    {"data", "evaluation", "model"},
    {"environments", "replay"},
    {"networks", "tasks"},
    {"linear_gaussian"},
)
"""From the top down; rooms of one floor know nothing of each other."""
MOST_FILES = 26  # of this package, that the folder of MOPO needs with all that its files import


def imports() -> dict[Path, set[Path]]:
    """What each file imports of this package, anywhere in it."""
    files = [path for path in (ROOT / "continuous").rglob("*.py") if path.name != "__init__.py"]
    return {path: set(_imported(path)) for path in files}


def _imported(path: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}", *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        found = (ROOT.joinpath(*name.split(".")).with_suffix(".py") for name in names if name.startswith("continuous."))
        yield from (each for each in found if each.exists())


def room(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").parts[1]


def test_rooms_import_lower_floors_only() -> None:
    floor = {name: -number for number, names in enumerate(FLOORS) for name in names}
    upward = [
        f"{path.relative_to(ROOT)} imports {other.relative_to(ROOT)}"
        for path, others in imports().items()
        for other in others
        if room(path) != room(other) and floor[room(path)] <= floor[room(other)]
    ]
    assert upward == []


def test_no_files_import_each_other_in_a_circle() -> None:
    TopologicalSorter(imports()).prepare()  # raises CycleError, which names the files


def test_deep_mopo_is_read_in_few_files() -> None:
    known = imports()
    reached = {path for path in known if path.parent == ROOT / "continuous" / "algorithms" / "mopo"}
    assert reached
    while more := {other for path in reached for other in known[path]} - reached:
        reached |= more
    names = sorted(str(path.relative_to(ROOT)) for path in reached)
    assert len(names) <= MOST_FILES, names
