"""The published runs' settings, and what scaling changes of them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from ampl.errors import InvalidArgumentError
from ampl.scale import Scale
from ampl.setting_values import settings_as_json
from continuous.algorithms.ampl.config import PUBLISHED, VARIANTS, main_config, preset, published_config
from continuous.algorithms.ampl.discriminator import RegularizerConfig
from continuous.algorithms.ampl.policy import ImplicitPolicyConfig
from continuous.algorithms.ampl.update import PolicyUpdateConfig
from continuous.tasks.find import find_task
from continuous.tasks.registry import Family
from continuous.weights.q_moment import QMomentConfig
from continuous.weights.vpm import VPMConfig


def test_settings_of_the_sixteen_published_runs_sum_up_to_theirs() -> None:
    assert len(PUBLISHED) == 16
    configs = {name: main_config(find_task(name)) for name in PUBLISHED}

    def lengths(part: str) -> int:
        return sum(config.schedule.rollout_length for name, config in configs.items() if part in name)

    assert [lengths(robot) for robot in ("halfcheetah", "hopper", "walker2d", "maze2d", "pen")] == [9, 5, 13, 7, 7]
    assert [lengths(kind) for kind in ("-medium-expert", "-medium-v2", "-medium-replay", "door")] == [13, 5, 9, 1]
    noise: Counter[float] = Counter()
    for name, config in configs.items():
        assert isinstance(config.policy, ImplicitPolicyConfig)
        assert isinstance(config.weights, QMomentConfig)
        noise[config.policy.noise_size] += 1
        assert (
            (config.policy.noise_scale == 1e-3)
            == ("human" in name or "cloned" in name)
            == (config.policy.noise_size == 1)
        )
        assert config.weights.weight_power == (0.5 if find_task(name).family is Family.GYM_MUJOCO else 0.2)
    assert noise == {50: 12, 1: 2, 2: 1, 10: 1}  # the last two are half of 4 observations, and at most 10 of 39


def test_hyperparameters_of_the_published_runs() -> None:
    config = main_config(find_task("hopper-medium-v2"))
    assert (config.schedule.batch_size, config.policy_update.value_weight, config.schedule.real_fraction) == (
        512,
        10.0,
        0.5,
    )
    assert config.policy_update.learning_rate == config.regularizer.learning_rate == 2e-4
    assert config.policy_update.betas == config.regularizer.betas == (0.4, 0.999)
    critic, dynamics, weights = config.critic, config.dynamics, config.weights
    assert (critic.learning_rate, critic.target_rate, config.discount) == (3e-4, 0.005, 0.99)
    assert (critic.lower_share, critic.huber_delta, critic.gradient_norm) == (0.75, 500.0, 0.1)
    assert (dynamics.learning_rate, dynamics.batch_size, dynamics.members, dynamics.elites) == (1e-3, 128, 7, 5)
    assert isinstance(weights, QMomentConfig)
    assert (weights.steps, weights.learning_rate, weights.batch_size) == (100_000, 1e-6, 1024)
    assert (weights.start_batch_size, weights.target_rate, weights.mean_bound) == (2048, 0.01, 10.0)
    assert not config.shared_rollout_action


def test_other_datasets_take_their_familys_settings() -> None:
    assert preset(find_task("hopper-random-v2")).weight_power == 0.5
    assert preset(find_task("hammer-human-v1")).noise_scale == 1e-3


def test_scaling_changes_only_counts_and_never_lengthens_an_estimation() -> None:
    task = find_task("maze2d-umaze-v1")
    published = main_config(task)
    small = published.scaled(Scale(epochs=50, steps_per_epoch=104, weight_steps=500))
    assert (small.schedule.epochs, small.schedule.retrain_period) == (50, 5)
    assert small.schedule.steps_per_epoch == 104
    assert small.dynamics == published.dynamics
    assert small.weights is not None
    assert small.weights.steps == 500
    assert (small.critic, small.policy, small.regularizer) == (
        published.critic,
        published.policy,
        published.regularizer,
    )
    assert published.scaled(Scale()) == published
    vpm = VARIANTS["vpm"](published).weights
    assert isinstance(vpm, VPMConfig)
    assert vpm.steps == 2000
    unchanged = VARIANTS["vpm"](published).scaled(Scale(weight_steps=10_000)).weights
    assert unchanged == vpm


ROLLOUTS = ", model transitions of the last 2.7 epochs instead of 4.6"


@pytest.mark.parametrize(
    ("variant", "rest"),
    [
        ("main", f"{ROLLOUTS}, retraining every 5 epochs, 500 weight steps instead of 100,000"),
        ("nw", ROLLOUTS),
        ("no-rollouts", ", retraining every 5 epochs, 500 weight steps instead of 100,000"),
    ],
)
def test_only_what_is_retrained_or_rolled_out_is_said_to_be(variant: str, rest: str) -> None:
    task = find_task("maze2d-umaze-v1")
    published = VARIANTS[variant](main_config(task))
    config = published.scaled(Scale(epochs=50, steps_per_epoch=104, weight_steps=500))
    assert config.scale_note(published) == f"scaled: 50 epochs of 104 steps instead of 1000 of 1000{rest}"


def leaves(settings: Any, path: str = "") -> dict[str, Any]:
    """Every setting by its name with dots."""
    if not isinstance(settings, dict):
        return {path: settings}
    return {name: leaf for key, value in settings.items() for name, leaf in leaves(value, f"{path}.{key}").items()}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_on_a_small_task_is_as_small_as_main_and_changes_one_part(variant: str) -> None:
    task = find_task("lqr-pointmass")
    main, changed = (leaves(settings_as_json(published_config(task, name))) for name in ("main", variant))
    hidden = [value for name, value in changed.items() if name.endswith(".hidden")]
    assert all(value in (64, [64, 64]) for value in hidden)
    assert changed.get(".weights.steps", 0) <= (1500 if variant == "multi-moment" else 300)
    parts = {name.split(".")[1] for name in main.keys() | changed.keys() if main.get(name) != changed.get(name)}
    assert len(parts - {"known_weights"}) == (variant != "main")


@pytest.mark.parametrize("config", [PolicyUpdateConfig, RegularizerConfig])
def test_decays_are_checked_where_they_are_set(config: type[PolicyUpdateConfig | RegularizerConfig]) -> None:
    """So that the command line can name the setting, and nothing is loaded before."""
    with pytest.raises(InvalidArgumentError, match=r"betas is \(0.4, 1.0\)"):
        config(betas=(0.4, 1.0))
