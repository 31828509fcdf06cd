"""Actions that are shifted by a row against the states are seen by one-step fits; aligned ones raise no alarm."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ampl.command_line.main import main
from continuous.data.alignment import measure_alignment, shifted_actions
from continuous.data.check import diagnose
from continuous.data.d4rl_data import D4RLData
from continuous.data.recipes import MakeOptions, find_recipe
from tests.continuous.data.d4rl_samples import UMAZE, arrays_of, hopper_data, write_plain


def rolled(data: D4RLData, shift: int) -> D4RLData:
    return replace(data, actions=np.roll(data.actions, shift, axis=0))


def warnings(data: D4RLData) -> list[str]:
    found = measure_alignment(data)
    assert found is not None
    return list(shifted_actions(found))


def driven(policy_noise: float, rows: int = 3000) -> D4RLData:
    """s' = 0.9 s + 0.3 a + noise under a = tanh(-2 s) + noise, two of each; an episode lasts 50 steps."""
    rng = np.random.default_rng(0)
    states, actions = np.zeros((rows + 1, 2)), np.zeros((rows, 2))
    ends = np.arange(rows) % 50 == 49
    for row in range(rows):
        actions[row] = np.clip(np.tanh(-2.0 * states[row]) + policy_noise * rng.normal(size=2), -1.0, 1.0)
        after = 0.9 * states[row] + 0.3 * actions[row] + 0.05 * rng.normal(size=2)
        states[row + 1] = rng.normal(size=2) if ends[row] else after
    return D4RLData(
        observations=states[:-1].astype(np.float32),
        actions=actions.astype(np.float32),
        rewards=np.zeros(rows, np.float32),
        terminals=np.zeros(rows, np.bool_),
        timeouts=ends,
    )


@pytest.mark.parametrize(("shift", "words"), [(1, "one row too late"), (-1, "one row too early")])
@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_shifted_actions_are_found(noise: float, shift: int, words: str) -> None:
    (warning,) = warnings(rolled(driven(noise), shift))
    assert f"the actions seem to stand {words}: those of the row" in warning


@pytest.mark.parametrize("noise", [0.1, 0.3, 1.0])
def test_aligned_actions_raise_no_alarm_though_the_next_action_knows_the_next_state(noise: float) -> None:
    assert warnings(driven(noise)) == []


def test_the_fits_explain_what_they_can_on_rows_they_have_not_seen() -> None:
    found = measure_alignment(driven(1.0, rows=4000))
    assert found is not None
    data = driven(1.0, rows=4000)
    inside = ~data.timeouts[:-1]
    change = (data.observations[1:] - data.observations[:-1])[inside]
    assert found.aligned == pytest.approx(1.0 - 0.05**2 / change.var(axis=0).mean(), abs=0.01)
    assert found.aligned > found.state + 0.3
    assert found.before == pytest.approx(found.state, abs=0.02)


def test_random_rows_and_too_few_rows_raise_no_alarm() -> None:
    assert warnings(hopper_data(2000)) == []
    assert measure_alignment(hopper_data(60)) is None
    still = driven(0.0)
    assert measure_alignment(replace(still, observations=np.ones_like(still.observations))) is None
    assert warnings(replace(still, actions=np.zeros_like(still.actions))) == []


@pytest.mark.parametrize("shift", [0, 1, -1])
def test_the_check_prints_the_fits_and_warns_of_a_shift(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], shift: int
) -> None:
    data = find_recipe(UMAZE.name).run(UMAZE.name, MakeOptions(steps=1000))[0]
    path = write_plain(tmp_path / UMAZE.file_name, arrays_of(rolled(data, shift)))
    assert main(["data", "check", str(path)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("a linear fit explains 9" if shift == 0 else "a linear fit explains ")
    assert "of s' - s from s and a" in out
    assert ("the actions seem to stand one row too" in out) is (shift != 0)
    assert ("nothing wrong" in out) is (shift == 0 and "note:" not in out)
    assert len(diagnose(path).facts) == 1
