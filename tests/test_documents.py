"""Documents name what exists: files and modules of this repository, links to other pages and their headings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import ampl
from ampl.catalog import algorithm_names, choose
from ampl.settings import list_settings
from ampl.variant_tables import TABLE, main, with_tables
from docs.site_hooks import find_symbol

ROOT = Path(__file__).parents[1]
ROOMS = "ampl|tabular|continuous|figures|tests|benchmarks|docs|results"
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md", "results/*.md", "benchmarks/*.md", "continuous/**/*.md")
    for path in ROOT.glob(pattern)
)
CODE = sorted(path for room in ROOMS.split("|") for path in (ROOT / room).rglob("*.py"))

_PATH = re.compile(
    rf"`(?!ampl/Maze2D)(?P<path>(?:{ROOMS})/[\w./-]*)`"
)  # names of mazes in Gymnasium's list are no paths
_MODULE = re.compile(rf"`(?P<module>(?:{ROOMS})(?:\.(?!py`)[A-Za-z_]\w*)+)(?:\(|`)")
_FILE = re.compile(r"`(?P<file>\w+\.py)`")
_LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")
_TRAINING = re.compile(
    r"\bampl train (?P<algorithm>ampl|mopo|damo) (?P<task>[\w$.-]+)(?:[^`\n]*? --variant (?P<variant>[\w$.-]+))?"
)
_SETTING = re.compile(r"`(?P<key>(?:schedule|learner|weights|critic|regularizer|dynamics)\.[a-z_.]*[a-z])`")
_PYTHON = re.compile(r"^```python\n(?P<code>.*?)^```$", flags=re.MULTILINE | re.DOTALL)
_FENCE = re.compile(r"^```.*?^```$", flags=re.MULTILINE | re.DOTALL)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def is_named(dotted: str) -> bool:
    """Whether it is a module, or a name that stands in one; entry-point groups stand in `entry_points.py`."""
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        place = ROOT.joinpath(*parts[:count])
        file = place.with_suffix(".py") if place.with_suffix(".py").is_file() else place / "__init__.py"
        if file.is_file():
            rest = parts[count:]
            found = not rest or re.search(rf"\b{rest[0]}\b", file.read_text(encoding="utf-8")) is not None
            return found or f'"{dotted}"' in (ROOT / "ampl/entry_points.py").read_text(encoding="utf-8")
    return False


def missing_names(text: str) -> list[str]:
    """Paths, modules and files in backticks that this repository does not have."""
    files = {path.name for path in CODE} | {"tabular.py", "figures.py", "torch.py"}  # the latter: of a user's
    return [
        *(match["path"] for match in _PATH.finditer(text) if not (ROOT / match["path"]).exists()),
        *(match["module"] for match in _MODULE.finditer(text) if not is_named(match["module"])),
        *(match["file"] for match in _FILE.finditer(text) if match["file"] not in files),
    ]


def anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    headings = re.findall(r"^#+ (.*)$", _FENCE.sub("", page.read_text(encoding="utf-8")), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", DOCUMENTS, ids=name)
def test_a_page_names_files_and_modules_that_exist(page: Path) -> None:
    assert missing_names(page.read_text(encoding="utf-8")) == []


def test_docstrings_and_comments_name_files_and_modules_that_exist() -> None:
    missing = {name(path): missing_names(path.read_text(encoding="utf-8")) for path in CODE if path != Path(__file__)}
    assert {path: names for path, names in missing.items() if names} == {}


@pytest.mark.parametrize("page", DOCUMENTS, ids=name)
def test_links_of_a_page_lead_to_pages_and_headings(page: Path) -> None:
    for target in (match["target"] for match in _LINK.finditer(page.read_text(encoding="utf-8"))):
        if not target.startswith("https://"):
            path, _, anchor = target.partition("#")
            linked = page.parent / path if path else page
            assert linked.exists(), target
            if anchor and path.endswith(".py"):
                find_symbol(linked.read_text(encoding="utf-8"), anchor)
            else:
                assert not anchor or anchor in anchors(linked), target


def test_what_does_not_exist_is_noticed() -> None:
    assert missing_names("`ampl/trainer.py`, `ampl.trainer`, `ampl.training.tarin(...)`, `no.py`") == [
        "ampl/trainer.py",
        "ampl.trainer",
        "ampl.training.tarin",
        "no.py",
    ]
    assert missing_names("`ampl/training.py`, `ampl.training.train(...)`, `ampl.py`, `ampl.runs`") == []
    assert "the-house" in anchors(ROOT / "README.md")


def test_readme_is_short_enough_to_be_read() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


@pytest.mark.parametrize("page", DOCUMENTS, ids=name)
def test_tables_of_variants_are_what_the_algorithms_have(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert with_tables(text) == text, "write it anew: python -m ampl.variant_tables PAGE.md"


def test_every_algorithm_has_its_table_of_variants() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in DOCUMENTS)
    shown = {(found["kind"], found["algorithm"]) for found in TABLE.finditer(text)}
    assert {(kind, algorithm) for kind, names in algorithm_names().items() for algorithm in names} == shown


def test_trainings_in_documents_are_of_tasks_and_variants_that_exist() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in DOCUMENTS)
    trainings = {
        (found["algorithm"], found["task"], found["variant"])
        for found in _TRAINING.finditer(text)
        if found["task"] not in ("TASK", "--data") and not found["task"].startswith("$")
    }
    assert len(trainings) > 20
    for algorithm, task, variant in trainings:
        choose(algorithm, task, None if variant == "$v" else variant)


def test_a_table_of_an_unknown_algorithm_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    for names, expected in {"finite moppo": "moppo", "finit mopo": "finit.mopo"}.items():
        page.write_text(f"<!-- variants: {names} -->\nmine\n<!-- variants: end -->\n")
        assert main([str(page)]) == 2
        assert expected in capsys.readouterr().err
        assert "mine" in page.read_text()
    assert main([str(tmp_path / "absent.md")]) == 2
    page.write_text("<!-- variants: finite ampl -->\nold\n<!-- variants: end -->\n")
    assert main([str(page)]) == 0
    assert "old" not in page.read_text()
    assert "| `nw` |" in page.read_text()


def test_settings_in_documents_exist() -> None:
    keys = {
        setting.key
        for algorithm in algorithm_names()["continuous"]
        for setting in list_settings(choose(algorithm, "hopper-medium-v2", "main").settings())
    }
    named = {found["key"] for page in DOCUMENTS for found in _SETTING.finditer(page.read_text(encoding="utf-8"))}
    assert len(named) > 10
    assert {name for name in named if not any(f"{key}.".startswith(f"{name}.") for key in keys)} == set()


def test_examples_in_python_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    examples = [found["code"] for found in _PYTHON.finditer((ROOT / "docs/commands.md").read_text(encoding="utf-8"))]
    assert examples
    for code in examples:
        exec(compile(code, "docs/commands.md", "exec"), {})
    assert (tmp_path / "runs/gridworld-5x5/mopo").is_dir()


def _explained_columns(page: str) -> set[str]:
    explained: set[str] = set()
    for row in re.findall(r"^\| (`[^|]*`) \|", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE):
        group = ""
        for column in re.findall(r"`([^`]+)`", row):
            explained.add(column if "/" in column or column == "epoch" else f"{group}/{column}")
            group = column.partition("/")[0] if "/" in column else group
    return explained


def test_every_column_of_the_exact_algorithms_is_explained(tmp_path: Path) -> None:
    problem = ampl.load_problem("random-10x3")
    explained = _explained_columns("docs/theory.md") | {"epoch"}
    for name, variants in problem.algorithms.items():
        for variant in variants:
            (run,) = ampl.train(name, problem, variant=variant, epochs=1, out=tmp_path)
            assert set(run.result.metrics) - explained == set(), f"{name} {variant}"


def test_every_column_of_the_kept_deep_runs_is_explained() -> None:
    explained = _explained_columns("docs/columns.md")
    heads = [path.read_text(encoding="utf-8").partition("\n")[0] for path in (ROOT / "results").rglob("metrics.csv")]
    recorded = {column for head in heads for column in head.split(",")}
    elsewhere = {column for column in recorded if column.startswith(("truth/", "exact_weights/"))}
    assert len(recorded) > 40
    assert recorded - elsewhere <= explained
