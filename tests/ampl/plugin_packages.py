"""Packages that announce something, installed for a test."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

Announced = Mapping[str, Mapping[str, str]]  # group -> name -> place


def install(
    monkeypatch: pytest.MonkeyPatch, folder: Path, package: str, announced: Announced, modules: Mapping[str, str]
) -> None:
    """Puts a package's metadata and modules into a folder of its own, and that on the path of imports."""
    place = folder / package
    information = place / f"{package.replace('-', '_')}-0.1.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.1\n")
    lines = [
        line
        for group, names in announced.items()
        for line in (f"[{group}]", *(f"{name} = {value}" for name, value in names.items()))
    ]
    (information / "entry_points.txt").write_text("\n".join(lines))
    for name, text in modules.items():
        (place / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(place))


def pip_install(folder: Path, where: Path) -> Path:
    """Installs a copy of the package in `folder` with pip, without the network; returns what to put on the path."""
    shutil.copytree(folder, where / "source")  # pip builds beside what it reads
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(where / "installed")]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(where / "source")], check=True)
    return where / "installed"
