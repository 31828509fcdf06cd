"""Where a run lies: what the names of its folders say, however the path to it is written."""

from __future__ import annotations

import re
from pathlib import Path

SEED = re.compile(r"seed(0|[1-9]\d*)")
PARTS = 4  # of a run's path below the folder of all runs: task, algorithm, variant, seed


def whole(path: Path) -> Path:
    """The same path from the root on and without `..`, whose last four names are a run's; other links keep theirs."""
    parts = path.absolute().parts
    end = max((place + 1 for place, name in enumerate(parts) if name == ".."), default=0)
    return Path(*parts[:end]).resolve().joinpath(*parts[end:]) if end else Path(*parts)


def order(path: Path) -> tuple[str, str, int, str]:
    """To sort the paths of runs by task, variant and seed."""
    names = whole(path).parts
    seed = SEED.fullmatch(names[-1])
    return names[-PARTS], names[-2], int(seed[1]) if seed else -1, str(path)


def folder_of_all(path: Path) -> Path:
    """The folder of all runs that the run at `path` lies in; from the root on where `path` does not lead through it."""
    if ".." in path.parts or len(path.parts) < PARTS:
        return whole(path).parents[PARTS - 1]
    return Path(*path.parts[:-PARTS])


def deeper_folders(folder: Path) -> list[Path]:
    """Folders of all runs that lie below a folder which is itself taken for one, so that their runs are not its own."""
    places = (path for path in folder.glob("*/*/**/seed*") if SEED.fullmatch(path.name))
    deeper = (path for path in places if len(path.relative_to(folder).parts) > PARTS)
    return sorted({path.parents[PARTS - 1] for path in deeper if (path / "config.json").is_file()})
