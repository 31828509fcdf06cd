"""Copies of policies for numpy act like the networks that they were taken from."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from continuous.algorithms.ampl.critic import CriticConfig, TwinCritic
from continuous.algorithms.ampl.policy import GaussianPolicyConfig, ImplicitPolicyConfig
from continuous.algorithms.sac.policy import SquashedGaussian, SquashedGaussianConfig
from continuous.networks.acting import BestOfSeveral, GaussianActor, ImplicitActor

SIZES, SEEDS = (11, 3), (4, 7)
STATES = 2.0 * np.random.default_rng(0).standard_normal((20, 11), dtype=np.float32)


def both(rows: np.ndarray) -> torch.Tensor:
    """The same rows for both seeds, [2, B, ...]."""
    return torch.from_numpy(rows).expand(len(SEEDS), -1, -1)


def test_best_actions_agree_with_the_policy() -> None:
    policy = SquashedGaussian(*SIZES, SquashedGaussianConfig(), SEEDS)
    with torch.no_grad():
        expected = policy.best_action(both(STATES)).numpy()
    for index in range(len(SEEDS)):
        found = policy.snapshot(index)(STATES, np.random.default_rng(0))
        assert found.shape == (20, 3)
        np.testing.assert_allclose(found, expected[index], rtol=0.0, atol=1e-5)
    assert np.abs(expected[0] - expected[1]).max() > 0.01


@pytest.mark.parametrize("config", [ImplicitPolicyConfig(noise_size=5, noise_scale=2.0), GaussianPolicyConfig()])
def test_drawn_actions_agree_with_the_policy_of_the_same_noise(config: Any) -> None:
    policy = config.build(*SIZES, SEEDS, "cpu")
    implicit = isinstance(config, ImplicitPolicyConfig)
    noise = np.random.default_rng(3).standard_normal((20, 5 if implicit else 3), dtype=np.float32)
    shaped = (2.0 * noise).clip(-3.0, 3.0) if implicit else noise
    with torch.no_grad():
        expected = policy.sample(both(STATES), both(shaped))[0].numpy()
    for index in range(len(SEEDS)):
        actor = policy.snapshot(index)
        assert isinstance(actor, ImplicitActor if implicit else GaussianActor)
        found = actor(STATES, np.random.default_rng(3))
        np.testing.assert_allclose(found, expected[index], rtol=0.0, atol=1e-5)


def test_twin_critics_agree_with_theirs() -> None:
    critic = TwinCritic(*SIZES, CriticConfig(), SEEDS)
    actions = np.tanh(STATES[:, :3])
    with torch.no_grad():
        expected = critic.action_value(both(STATES), both(actions)).numpy()
    for index in range(len(SEEDS)):
        found = critic.snapshot(index)(np.concatenate((STATES, actions), axis=-1))[..., 0]
        np.testing.assert_allclose(found, expected[index], rtol=0.0, atol=1e-5)


def test_a_copy_does_not_change_with_the_policy() -> None:
    policy = SquashedGaussian(*SIZES, SquashedGaussianConfig(), SEEDS)
    copy = policy.snapshot(1)
    before = copy(STATES, np.random.default_rng(0))
    policy.network.values.add_(0.1)
    np.testing.assert_array_equal(copy(STATES, np.random.default_rng(0)), before)
    assert not np.allclose(policy.snapshot(1)(STATES, np.random.default_rng(0)), before)


@pytest.mark.parametrize("broken", [np.nan, np.inf])
def test_a_policy_that_has_diverged_still_acts(broken: float) -> None:
    with np.errstate(invalid="ignore", over="ignore"):
        for make in (_best_action, _best_of_several):
            actor = make()
            network = actor.network if hasattr(actor, "network") else actor.critic
            changed = replace(network, weights=[np.full_like(network.weights[0], broken), *network.weights[1:]])
            name = "network" if hasattr(actor, "network") else "critic"
            actions = replace(actor, **{name: changed})(STATES, np.random.default_rng(0))
            assert np.isfinite(actions).all()


def _best_action() -> Any:
    return SquashedGaussian(*SIZES, SquashedGaussianConfig(), SEEDS).snapshot(0)


def _best_of_several() -> Any:
    policy = ImplicitPolicyConfig(noise_size=5).build(*SIZES, SEEDS, "cpu")
    return BestOfSeveral(
        actor=policy.snapshot(0), critic=TwinCritic(*SIZES, CriticConfig(), SEEDS).snapshot(0), count=4
    )


def test_no_observations_get_no_actions() -> None:
    assert _best_of_several()(STATES[:0], np.random.default_rng(0)).shape == (0, 3)


PRODUCTS = """
import hashlib, numpy as np
from contextlib import nullcontext
from ampl.blas_threads import one_blas_thread
generator = np.random.default_rng(0)
found = hashlib.sha256()
for rows, fan_in, fan_out in ((10, 256, 256), (100, 400, 300), (10, 11, 256)):
    left = generator.standard_normal((rows, fan_in), dtype=np.float32)
    right = generator.standard_normal((fan_in, fan_out), dtype=np.float32)
    with one_blas_thread():
        found.update((left @ right).tobytes())
print(found.hexdigest())
"""


def test_products_have_the_same_bits_however_many_threads_numpy_was_started_with() -> None:
    def run(threads: str) -> str:
        command, environment = [sys.executable, "-c", PRODUCTS], os.environ | {"OPENBLAS_NUM_THREADS": threads}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    assert len({run(threads) for threads in ("1", "2", "3")}) == 1
