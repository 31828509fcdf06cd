"""Online SAC learns from the steps that it remembers, with D4RL's hyperparameters, and its policy survives a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ampl.errors import InvalidArgumentError
from continuous.algorithms.sac.learner import SoftActorCriticConfig
from continuous.networks.streams import SeedStreams
from continuous.recreate.online_sac.learning import OnlineSac, OnlineSacConfig
from continuous.recreate.online_sac.policy_file import load_policy, save_policy
from continuous.recreate.online_sac.replay_file import Columns
from continuous.replay.buffers import Batch
from tests.continuous.recreate.small_online_sac import small_online_sac


def numbered(first: int, count: int) -> Columns:
    """Steps whose columns all tell their number."""
    numbers = np.arange(first, first + count, dtype=float)
    return {
        "observations": np.stack([numbers, -numbers], axis=1),
        "actions": numbers[:, None] / 10,
        "rewards": numbers * 2,
        "terminals": numbers == 5,
        "next_observations": np.stack([numbers + 0.5, numbers], axis=1),
    }


def test_it_learns_from_what_it_remembers_and_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    sac = OnlineSac(2, 1, small_online_sac(batch_size=200), seed=0, capacity=6)
    sac.remember(numbered(0, 4))
    sac.remember(numbered(4, 4))
    seen: list[Batch] = []
    monkeypatch.setattr(sac.learner, "update", lambda batch, *noise: seen.append(batch))
    sac.learn(1, SeedStreams([0], "x"))
    number = seen[0].state[0, :, 0]
    assert set(number.tolist()) == set(range(2, 8))
    torch.testing.assert_close(seen[0].action[0, :, 0], number / 10)
    torch.testing.assert_close(seen[0].reward[0], number * 2)
    torch.testing.assert_close(seen[0].next_state[0, :, 0], number + 0.5)
    assert torch.equal(seen[0].terminal[0], number == 5)


def test_metrics_are_those_of_the_batches() -> None:
    """One step that ends its episode: the target is its reward, the error that of the fresh critics."""
    sac = OnlineSac(2, 1, small_online_sac(), seed=0, capacity=10)
    sac.remember(numbered(5, 1))
    state, action = torch.tensor([[[5.0, -5.0]]]), torch.tensor([[[0.5]]])
    error = (sac.learner.action_value(state, action) - 10.0).square().mean().item()
    metrics = sac.learn(1, SeedStreams([0], "x"))
    assert metrics["target_value"] == 10.0
    assert metrics["critic_error"] == pytest.approx(error, rel=1e-5)
    assert sac.learn(300, SeedStreams([0], "x"))["critic_error"] < error
    assert metrics["entropy"] < np.log(2.0)  # of the uniform distribution on [-1, 1]


def test_the_temperature_falls_while_the_entropy_is_above_minus_the_number_of_actions() -> None:
    """D4RL's target; MOPO's -3 would not let a policy of one action become as narrow."""
    assert OnlineSac(4, 2, OnlineSacConfig(), seed=0, capacity=1).learner._target_entropy == -2.0
    sac = OnlineSac(2, 1, small_online_sac(), seed=0, capacity=10)
    sac.remember(numbered(0, 10))
    assert sac.learn(1, SeedStreams([0], "x"))["entropy"] > -1.0
    assert sac.learner.temperature.item() == pytest.approx(np.exp(-3e-4), rel=1e-4)


def test_a_policy_file_holds_the_policy_that_was_trained(tmp_path: Path) -> None:
    sac = OnlineSac(2, 1, small_online_sac(), seed=0, capacity=10)
    sac.remember(numbered(0, 10))
    sac.learn(20, SeedStreams([0], "x"))
    save_policy(tmp_path / "policy.safetensors", sac.policy, {"robot": "none"})
    loaded, about = load_policy(tmp_path / "policy.safetensors")
    states = torch.randn(1, 50, 2, generator=torch.Generator().manual_seed(0))
    drawn: list[Any] = [policy.act(states, SeedStreams([1], "noise")) for policy in (sac.policy, loaded)]
    assert torch.equal(*drawn)
    assert about == {"robot": "none"}


def test_hyperparameters_are_checked() -> None:
    with pytest.raises(InvalidArgumentError, match="batch_size"):
        OnlineSacConfig(batch_size=0)
    with pytest.raises(InvalidArgumentError, match="target_rate"):
        OnlineSacConfig(learner=SoftActorCriticConfig(target_rate=1.5))
