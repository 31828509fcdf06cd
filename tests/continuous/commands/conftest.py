"""`ampl data` with three small recipes and an empty cache folder."""

from collections.abc import Callable
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

import ampl.entry_points
import continuous.data.recipes
from ampl.command_line.main import main
from ampl.entry_points import COMMANDS
from continuous.data.d4rl_file import D4RLData, Provenance
from continuous.data.recipes import MakeOptions, Recipe
from tests.continuous.data.d4rl_samples import (
    HOPPER,
    PEN,
    UMAZE,
    made_by,
    maze_data,
)


def collect(options: MakeOptions) -> tuple[D4RLData, Provenance]:
    return maze_data(options.steps or 90, options.seed), made_by(UMAZE)


def interrupt(options: MakeOptions) -> tuple[D4RLData, Provenance]:
    raise KeyboardInterrupt


RECIPES = {
    UMAZE.name: Recipe(make=collect, default_steps=90, describe="Wanders.", accepts=frozenset({"steps", "seed"})),
    PEN.name: Recipe(make=collect, default_steps=90, describe="Writes.", requires=frozenset({"policy"})),
    HOPPER.name: Recipe(make=interrupt, default_steps=90, describe="Is interrupted."),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, the command, and three small recipes."""
    entry = EntryPoint("data", "continuous.commands.data:Data", COMMANDS)
    monkeypatch.setattr(ampl.entry_points, "entry_points", lambda group: [entry] if group == COMMANDS else [])
    monkeypatch.setattr(continuous.data.recipes, "all_recipes", lambda: RECIPES)
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "cache"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs `ampl data ...` and returns what it printed."""

    def call(*arguments: str) -> str:
        assert main(["data", *arguments]) == 0
        return capsys.readouterr().out

    return call


@pytest.fixture
def mistake(mistake: Callable[..., str]) -> Callable[..., str]:
    """The same of `ampl data ...`."""
    return partial(mistake, "data", notes=True)
