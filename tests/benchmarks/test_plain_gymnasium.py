"""The check from outside plays whole episodes and scores them on D4RL's scale."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

import ampl
from benchmarks import plain_gymnasium
from continuous.tasks.find import find_task
from tests.figures.inputs.synthetic_runs import write_run


class Resting:
    """A policy that lets the joints hang."""

    def act(self, observation: Any) -> Any:
        return np.zeros(3)


def test_a_run_is_scored_by_its_own_episodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path, "hopper-medium-v2", algorithm="mopo")
    monkeypatch.setattr(ampl, "load_policy", lambda path: Resting())
    found = plain_gymnasium.score_run(run, episodes=2, seed=3)
    with gymnasium.make("Hopper-v4") as environment:
        environment.reset(seed=3)
        total, ended = 0.0, False
        while not ended:
            _, reward, ended, _, _ = environment.step(np.zeros(3))
            total += float(reward)
    assert found["returns"][0] == total != found["returns"][1]
    task = find_task("hopper-medium-v2")
    score = (np.mean(found["returns"]) - task.reference_min) / (task.reference_max - task.reference_min) * 100.0
    assert found["score_mean"] == pytest.approx(score)


def test_a_task_that_gymnasium_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ampl.errors.InvalidArgumentError, match="maze2d-umaze-v1; Gymnasium has"):
        plain_gymnasium.score_run(write_run(tmp_path), 1)
