"""Arrows run one way: wings and figures import ampl, ampl imports none of them, the wings never each other."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"ampl", "tabular", "continuous", "figures"}
ALLOWED = {
    "ampl": {"ampl"},
    "tabular": {"ampl", "tabular"},
    "continuous": {"ampl", "continuous"},
    "figures": {"ampl", "figures"},
}
HEAVY = {"torch", "matplotlib", "scipy", "gymnasium", "tensorboard", "tabular", "continuous", "figures"}


def imported(path: Path) -> Iterator[str]:
    """Top-level packages that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} has a relative import; write the package's name"
            yield (node.module or "").partition(".")[0]


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_a_package_imports_only_what_the_arrows_allow(package: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for name in imported(path)
        if name in PACKAGES - ALLOWED[package]
    ]
    assert wrong == []


def loaded_after(code: str) -> set[str]:
    """Modules that a fresh interpreter has after running the code."""
    show = "import sys; print(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{show}"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(done.stderr.splitlines()[-1].split())


def every_module(package: str) -> str:
    """What imports all of a package."""
    names = [path.relative_to(ROOT).with_suffix("") for path in sorted((ROOT / package).rglob("*.py"))]
    return f"import {', '.join('.'.join(name.parts) for name in names if name.stem not in ('__init__', '__main__'))}"


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import ampl", HEAVY | {"numpy"}),
        (every_module("ampl"), HEAVY),
        (every_module("tabular"), {"torch", "matplotlib", "gymnasium", "continuous", "figures"}),
        ("from ampl.command_line.main import main; main(['--help'])",
         HEAVY - {"tabular", "continuous", "figures"} | {"numpy", "rich", "jinja2", "filelock"}),
        ("import continuous.commands.data", {"numpy", "torch", "mujoco", "h5py", "gymnasium"}),
        ("import figures.commands", {"torch", "matplotlib", "numpy", "tabular", "continuous"}),
        ("import figures.report.command", {"torch", "matplotlib", "numpy", "tabular", "continuous"}),
        ("import figures.registry", {"torch", "matplotlib.pyplot", "tabular", "continuous"}),
    ],
    ids=lambda value: value[:40] if isinstance(value, str) else "",
)  # fmt: skip
def test_an_import_loads_nothing_that_it_does_not_need(code: str, absent: set[str]) -> None:
    assert not loaded_after(code) & absent
