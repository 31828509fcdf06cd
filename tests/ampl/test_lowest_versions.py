"""`make test-lowest` really tries the lower end of every dependency that pyproject.toml names."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_TRIED = {"torch", "ruff", "mypy", "quantecon"}  # torch: see the file; the others run no code of ours


def padded(version: str) -> str:
    return ".".join([*version.split("."), "0", "0"][:3])


def test_the_constraints_are_the_lower_ends() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needs = [*project["dependencies"], *(need for group in project["optional-dependencies"].values() for need in group)]
    found = [re.match(r"([\w-]+)(?:\[[\w,]+\])?>=([\d.]+)", need) for need in needs]
    lowest = {match[1]: padded(match[2]) for match in found if match and match[1] not in NOT_TRIED}
    lines = (ROOT / "constraints-lowest.txt").read_text(encoding="utf-8").splitlines()
    tried = dict(line.split("==") for line in lines if not line.startswith("#"))
    assert tried == lowest
