"""The weight network, its outputs, and what every estimator owes its callers."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from ampl.errors import InvalidArgumentError
from continuous.networks.seed_state import load_seed_state, seed_state
from continuous.networks.streams import SeedStreams
from continuous.weights.dualdice import DualDICEConfig
from continuous.weights.estimator import (
    ClippedOutput,
    EstimatorConfig,
    PowerOutput,
    WeightEstimator,
    WeightNetwork,
    normalize_weights,
)
from continuous.weights.gendice import GenDICEConfig
from continuous.weights.multi_moment import MultiMomentConfig
from continuous.weights.q_moment import QMomentConfig
from continuous.weights.vpm import VPMConfig
from tests.continuous.model.small_table import A, D, LinearPolicy, SmallCritic, small_table

SMALL = {"steps": 12, "batch_size": 32, "start_batch_size": 16, "hidden": (16, 8)}
CONFIGS: list[EstimatorConfig] = [
    QMomentConfig(learning_rate=1e-3, **SMALL),  # type: ignore[arg-type]
    MultiMomentConfig(**SMALL),  # type: ignore[arg-type]
    VPMConfig(**SMALL),  # type: ignore[arg-type]
    GenDICEConfig(**SMALL),  # type: ignore[arg-type]
    DualDICEConfig(**SMALL),  # type: ignore[arg-type]
]
every_estimator = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: type(config).__name__)


def estimated(config: EstimatorConfig, seeds: list[int], times: int = 1) -> tuple[WeightEstimator, torch.Tensor]:
    estimator = config.build(D, A, seeds, None, "cpu")
    streams, critic = SeedStreams(seeds, "weights"), SmallCritic(seeds)
    for _ in range(times):
        weights = estimator.estimate(small_table(), LinearPolicy(), critic, streams)
    return estimator, weights


@pytest.mark.parametrize(("power", "start"), [(0.5, 0.833), (0.2, 0.929), (1.0, 0.693)])
def test_weights_start_flat_at_the_power_of_ln_2(power: float, start: float) -> None:
    network = WeightNetwork(D, A, PowerOutput(power=power), (400, 300), [0, 1])
    weights = network.of_table(small_table())
    assert abs(weights.mean().item() - math.log(2.0) ** power) < 5e-3
    assert abs(weights.mean().item() - start) < 5e-3
    assert weights.std().item() < 0.02


def test_the_clipped_output_stays_inside_its_bounds_and_is_soft_between_them() -> None:
    output = ClippedOutput()
    last = torch.tensor([-1e4, -50.0, 0.0, 3.0, 250.0, 499.0, 600.0, 1e4])
    weights = output(last)
    assert (weights >= 1e-8).all()
    assert (weights <= 500.0).all()
    assert weights[0] == pytest.approx(1e-8)
    assert weights[-1] == pytest.approx(500.0)
    assert weights[2].item() == pytest.approx(math.log(2.0), rel=1e-5)
    assert weights[4].item() == pytest.approx(250.0, rel=1e-5)


def test_normalized_weights_have_mean_one() -> None:
    weights = torch.rand(3, 100_003, generator=torch.Generator().manual_seed(0)) * 400.0
    means = normalize_weights(weights).double().mean(-1)
    torch.testing.assert_close(means, torch.ones(3, dtype=torch.float64), atol=1e-6, rtol=0.0)


@every_estimator
def test_every_transition_gets_a_weight_and_they_have_mean_one(config: EstimatorConfig) -> None:
    _, weights = estimated(config, [0, 1])
    assert weights.shape == (2, 300)
    assert (weights >= 0.0).all()
    torch.testing.assert_close(weights.mean(-1), torch.ones(2), atol=1e-5, rtol=0.0)


@every_estimator
def test_every_layer_of_the_weights_is_trained(config: EstimatorConfig) -> None:
    before = config.build(D, A, [0], None, "cpu").network
    after = estimated(config, [0])[0].network
    assert all(not torch.equal(before.views[name], after.views[name]) for name in before.views)


@every_estimator
def test_seed_3_alone_equals_seed_3_among_five(config: EstimatorConfig) -> None:
    _, alone = estimated(config, [3])
    _, among = estimated(config, [0, 1, 2, 3, 4])
    torch.testing.assert_close(alone[0], among[3], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(among[2], among[3])


@every_estimator
def test_a_state_put_back_continues_bit_for_bit(config: EstimatorConfig) -> None:
    first, _ = estimated(config, [0, 1])
    second = config.build(D, A, [0, 1], None, "cpu")
    for index in range(2):
        load_seed_state(second.state_dict(), index, seed_state(first.state_dict(), index))
    results = []
    for estimator in (first, second):
        streams = SeedStreams([0, 1], "later")
        results.append(estimator.estimate(small_table(), LinearPolicy(), SmallCritic([0, 1]), streams))
    assert torch.equal(*results)


@every_estimator
def test_networks_persist_from_one_estimation_to_the_next(config: EstimatorConfig) -> None:
    estimator, weights = estimated(config, [0], times=2)
    longer = replace(config, steps=2 * config.steps)
    if isinstance(config, VPMConfig | QMomentConfig):  # their step counts and critics' targets start again
        assert not torch.equal(weights, estimated(config, [0])[1])
        return
    torch.testing.assert_close(weights, estimated(longer, [0])[1], rtol=1e-4, atol=1e-5)
    assert estimator.config == config


def test_settings_out_of_range_are_named() -> None:
    with pytest.raises(InvalidArgumentError, match="steps"):
        QMomentConfig(steps=0)
    with pytest.raises(InvalidArgumentError, match="two halves"):
        MultiMomentConfig(batch_size=1)
    with pytest.raises(InvalidArgumentError, match="discount"):
        VPMConfig().build(D, A, [0], None, "cpu", 1.5)
