"""Packages that announce something, installed for a test."""

from __future__ import annotations

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
