"""What MOPO and DAMO see of a task: which transitions, which start states, and what the user is told."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ampl.arithmetic import DEFAULT
from ampl.command_line.main import main
from ampl.scale import Scale
from ampl.settings import apply_settings
from continuous.algorithms.damo import config as damo_presets
from continuous.algorithms.mopo import config as mopo_presets
from continuous.data.cache import dataset_path
from continuous.data.d4rl_file import write_d4rl
from continuous.data.dataset import load_dataset
from continuous.data.transitions import transition_table
from continuous.tasks.find import find_task
from continuous.tasks.registry import TransitionMode
from tests.continuous.algorithms.factories import FACTORIES
from tests.continuous.data.d4rl_samples import HOPPER, hopper_data, made_by

ROWS = 210


@pytest.fixture(autouse=True)
def _dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("D4RL_DATASET_DIR", str(tmp_path / "cache"))
    write_d4rl(dataset_path(HOPPER), hopper_data(ROWS), made_by(HOPPER))


def fallen_share(transitions: TransitionMode) -> float:
    """Of the terminal rows, how many end below Hopper's height."""
    table = transition_table(load_dataset(HOPPER), HOPPER, transitions)
    rows = table.gather(torch.arange(table.n_transitions))
    assert rows.terminal.sum() >= 14
    return float((rows.next_state[rows.terminal][:, 0] < 0.7).float().mean())


def test_true_next_states_end_where_the_episode_does_and_d4rls_are_the_next_episodes() -> None:
    assert fallen_share(TransitionMode.MODEL) == 1.0
    assert fallen_share(TransitionMode.EXACT) == 0.0


def test_only_mopos_code_on_d4rl_takes_the_next_row_for_the_next_state() -> None:
    hopper, jump = find_task("hopper-medium-v2"), find_task("halfcheetah-jump")
    main = mopo_presets.main_config(hopper)
    assert main.transitions is TransitionMode.EXACT
    assert mopo_presets.VARIANTS["mbpo"](main, hopper).transitions is TransitionMode.EXACT
    assert mopo_presets.VARIANTS["kit"](main, hopper).transitions is TransitionMode.MODEL
    for task in (jump, find_task("ant-angle-60"), find_task("hiv-treatment")):
        assert mopo_presets.main_config(task).transitions is TransitionMode.MODEL
    assert damo_presets.main_config(hopper).transitions is TransitionMode.MODEL


@pytest.mark.parametrize(("variant", "count"), [("main", ROWS - 1), ("episode-starts", ROWS // 7)])
def test_damos_start_states_are_the_datas_or_where_its_episodes_begin(variant: str, count: int) -> None:
    damo = FACTORIES["damo"].build(HOPPER, variant, [0], "cpu", Scale(epochs=1, steps_per_epoch=1), DEFAULT)
    starts = damo.table.start_state
    rows = hopper_data(ROWS).observations
    assert abs(len(starts) - count) <= 15
    begin = torch.from_numpy(rows[::7] if variant == "episode-starts" else rows)
    assert all(bool((start == begin).all(1).any()) for start in starts)


@pytest.mark.parametrize(
    ("task", "variant", "expected"),
    [
        ("hopper-medium-v2", "main", []),
        ("hopper-medium-v2", "kit", []),
        ("ant-angle-45", "mbpo", []),
        ("hopper-expert-v2", "main", ["MOPO gives no settings", "h = 5 and lambda = 1 are reconstructed"]),
        ("hiv-treatment", "mbpo", ["MOPO gives no settings", "h = 5 and lambda = 0 are reconstructed"]),
        ("hopper-random-v2", "kit", ["OfflineRL-Kit gives no settings", "MOPO's h = 5 and lambda = 1 are taken"]),
    ],
)
def test_settings_that_no_source_gives_are_announced(task: str, variant: str, expected: Sequence[str]) -> None:
    found = find_task(task)
    config = mopo_presets.VARIANTS[variant](mopo_presets.main_config(found), found)
    notes = mopo_presets.preset_notes(found, variant, config)
    assert len(notes) == bool(expected)
    assert all(part in notes[0] for part in expected)


def test_a_setting_that_the_user_gives_is_not_said_to_be_reconstructed() -> None:
    task = find_task("hopper-expert-v2")
    config = replace(mopo_presets.main_config(task), penalty_weight=0.5)
    assert mopo_presets.preset_notes(task, "main", config) == [
        "MOPO gives no settings for hopper-expert-v2: h = 5 is reconstructed"
    ]


def test_the_command_settings_says_what_a_training_says_of_them(capsys: pytest.CaptureFixture[str]) -> None:
    note = "MOPO gives no settings for hopper-expert-v2: h = 5 and lambda = 1 are reconstructed"
    assert main(["settings", "mopo", "hopper-expert-v2"]) == 0
    assert f"note: {note}\n" in capsys.readouterr().out
    assert main(["settings", "mopo", "hopper-expert-v2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["notes"] == [note]
    assert main(["settings", "mopo", "hopper-medium-v2"]) == 0
    assert "note:" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "released"), [("pen-human-v1", True), ("pen-cloned-v1", True), ("pen-expert-v1", False)]
)
def test_mobiles_note_says_where_the_papers_release_has_other_settings(name: str, released: bool) -> None:
    task, mobile = find_task(name), FACTORIES["mobile"]
    (note,) = mobile.presets.preset_notes(task, "main", mobile.settings(task, "main"))
    assert note.startswith(f"OfflineRL-Kit gives no settings of MOBILE for {name}: ")
    assert note.endswith("; the paper's release has others") is released


@pytest.mark.parametrize(
    ("algorithm", "setting", "changed", "both", "one"),
    [
        ("combo", "learner.conservative_weight", 7.0, "h = 5 and beta = 0.5 are", "h = 5 is"),
        ("mobile", "penalty_weight", 7.0, "h = 5 and beta = 0.5 are", "h = 5 is"),
        ("rambo", "adversary_weight", 7.0, "h = 5 and lambda = 0.0003 are", "h = 5 is"),
        ("damo", "learner.alpha", 7.0, "alpha = 2 and h = 5 are", "h = 5 is"),
        ("optidice", "learner.alpha", 7.0, "alpha = 1 is", ""),
        ("o-dice", "learner.dual_weight", 0.7, "eta = 1 and lambda = 0.6 are", "eta = 1 is"),
    ],
)
def test_notes_of_every_algorithm_leave_out_what_the_user_gave(
    algorithm: str, setting: str, changed: float, both: str, one: str
) -> None:
    task, presets = find_task("hopper-expert-v2"), FACTORIES[algorithm].presets
    config = presets.published_config(task, "main")
    assert any(both in note for note in presets.preset_notes(task, "main", config))
    notes = presets.preset_notes(task, "main", apply_settings(config, {setting: changed}))
    assert not any(both in note for note in notes)
    assert any(f" {one} " in f" {note}" for note in notes) if one else not notes
