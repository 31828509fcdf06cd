"""The estimators of the weights on linear-Gaussian problems: what they are given is exact, what they leave repeats."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ampl.files import read_npz, write_npz
from continuous.experiments import figure2_continuous as figure2
from continuous.experiments.linear_gaussian import AffinePolicy, TaskData, on_the_way
from continuous.experiments.weights_published import ESTIMATORS, measured
from continuous.linear_gaussian.returns import action_value
from continuous.linear_gaussian.tasks import find_linear_gaussian
from continuous.linear_gaussian.weights import agreement
from continuous.networks.streams import SeedStreams
from continuous.weights.estimator import EstimatorConfig
from continuous.weights.q_moment import QMomentConfig

TINY = {"steps": 10, "batch_size": 32, "start_batch_size": 32, "hidden": (8,)}


@pytest.mark.parametrize("name", ["lqr-pointmass", "lqr-random-4-2-near"])
def test_the_critic_is_the_action_value_of_the_rescaled_rewards_and_the_policy_acts_as_it_says(name: str) -> None:
    data = TaskData(find_linear_gaussian(name), start_states=100)
    policy = on_the_way(data.task, 0.7)
    policy = replace(policy, offset=policy.offset + 0.1)  # so that every term of the critic is there
    pairs = np.random.default_rng(0).normal(size=(50, data.pairs.shape[1]))
    found = data.critic(policy).first_head()(torch.tensor(pairs, dtype=torch.float32))[0, :, 0].numpy()
    reward, rescaled = data.task.mdp.reward(data.pairs), data.table.reward.double().numpy()
    slope, intercept = np.polyfit(rescaled, reward, 1)
    expected = (action_value(data.task.mdp, policy, pairs) - intercept / (1.0 - data.task.mdp.discount)) / slope
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    states = torch.zeros(1, 20_000, policy.state_size)
    acted = AffinePolicy(policy).act(states, SeedStreams((0,), "test"))[0].double().numpy()
    np.testing.assert_allclose(acted.mean(0), policy.offset, atol=0.01)
    np.testing.assert_allclose(np.cov(acted.T).reshape(policy.covariance.shape), policy.covariance, atol=1e-3)


def test_the_way_leads_from_the_behavior_policy_to_the_optimum_with_half_the_noise() -> None:
    task = find_linear_gaussian("lqr-pointmass")
    np.testing.assert_array_equal(on_the_way(task, 0.0).gain, task.behavior.gain)
    np.testing.assert_allclose(on_the_way(task, 1.0).gain, task.optimum.gain)
    np.testing.assert_allclose(on_the_way(task, 1.0).covariance, 0.25 * task.behavior.covariance)


def test_exact_weights_agree_with_themselves_in_all_three_ways() -> None:
    exact = np.array([0.5, 1.5, 0.25, 1.75])
    assert agreement(exact, exact) == (0.0, pytest.approx(1.0), pytest.approx(16.0 / (4.0 * 5.625)))
    assert agreement(np.ones(4), exact) == (0.625, 0.0, 1.0)
    assert agreement(exact[::-1], exact).rank_correlation == pytest.approx(-0.6)


def test_figure_2_on_a_continuous_problem_has_the_stated_shapes_and_the_same_bytes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = figure2.scaled_estimators

    def short(discount: float, hidden: tuple[int, ...]) -> dict[str, EstimatorConfig]:
        assert hidden == (400, 300)  # as published
        return {name: replace(config, **TINY) for name, config in full(discount).items()}

    monkeypatch.setattr(figure2, "scaled_estimators", short)
    monkeypatch.setattr(figure2, "SHARES", (0.5, 1.0))
    for name in ("first", "second"):
        figure2.figure2_continuous(tmp_path / f"{name}.npz")
    assert (tmp_path / "first.npz").read_bytes() == (tmp_path / "second.npz").read_bytes()
    with np.load(tmp_path / "first.npz") as record:
        for name in ("error_l1", "rank_correlation", "effective_share", "return_error", "scale"):
            assert record[name].shape == (5, 2)
        data = TaskData(find_linear_gaussian(figure2.TASK), start_states=1)
        exact = np.stack([data.exact_weights(on_the_way(data.task, share)) for share in (0.5, 1.0)])
        np.testing.assert_allclose(record["flat_error"], np.abs(1.0 - exact).mean(1))
        expected = exact.mean(1) ** 2 / np.square(exact).mean(1)
        np.testing.assert_allclose(record["exact_effective_share"], expected)
        assert np.abs(exact.mean(1) - 1.0).max() < 0.05  # E_b[w*] = 1


def test_the_published_settings_are_measured_update_by_update_with_the_same_bytes_again(tmp_path: Path) -> None:
    published = ESTIMATORS["as published"]
    assert published == QMomentConfig()
    assert (published.steps, published.hidden, published.learning_rate) == (100_000, (400, 300), 1e-6)
    short = {name: replace(config, **TINY) for name, config in ESTIMATORS.items()}
    for name in ("first", "second"):
        write_npz(tmp_path / name, measured("lqr-pointmass", short, 2))
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    record = read_npz(tmp_path / "first", "the record", ["step", "distance_from_one", "residual"])
    np.testing.assert_array_equal(record["step"], [[0, 5, 10]] * 3)
    np.testing.assert_allclose(record["distance_from_one"][:, 0], 0.0, atol=0.05)  # before the first update: flat
    assert (record["residual"][:, 0] < -0.1).all()  # a flat weight of (ln 2) ** 0.5 is too small for Eq. 10
