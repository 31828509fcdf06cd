"""MOPO's and DAMO's settings against what the published tables sum up to, and the constants of the official codes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from operator import attrgetter

import numpy as np
import pytest

from continuous.algorithms.config import Schedule
from continuous.algorithms.damo import config as damo_presets
from continuous.algorithms.learner import Decay
from continuous.algorithms.mopo import config as mopo_presets
from continuous.algorithms.mopo.config import MOPOConfig
from continuous.model.network import DynamicsConfig, HoldoutCriterion
from continuous.tasks.find import find_task
from continuous.tasks.registry import TASKS
from tests.continuous.algorithms.factories import FACTORIES

ROBOTS = ("halfcheetah", "hopper", "walker2d")
KINDS = ("random", "medium", "medium-replay", "medium-expert")
NO_PENALTY = ("mbpo", "no-ensemble", "no-penalty")
OUT_OF_DISTRIBUTION = {"halfcheetah-jump": (5, 1.0)} | {f"ant-angle-{n}": (25, 2.0) for n in (30, 45, 60, 90)}
"""MOPO, appendix G.2: h and lambda."""


def mopo(name: str, variant: str = "main") -> MOPOConfig:
    task = find_task(name)
    return mopo_presets.VARIANTS[variant](mopo_presets.main_config(task), task)


def mopo_setting(name: str, variant: str = "main") -> tuple[float, float]:
    """h and lambda."""
    config = mopo(name, variant)
    return config.schedule.rollout_length, config.penalty_weight


def damo_setting(name: str) -> tuple[float, float]:
    """h and alpha."""
    config = damo_presets.main_config(find_task(name))
    return config.schedule.rollout_length, config.learner.alpha


def baseline_setting(name: str, algorithm: str) -> tuple[float, float]:
    """h and what the model is distrusted by."""
    config = FACTORIES[algorithm].settings(find_task(name), "main")
    weights = {"combo": "learner.conservative_weight", "rambo": "adversary_weight", "mobile": "penalty_weight"}
    return config.schedule.rollout_length, attrgetter(weights[algorithm])(config)


def assert_sums(setting: Callable[[str], tuple[float, float]], version: str, expected: str) -> None:
    """Sums of both numbers over kinds of data, for each robot, and over robots, for each kind, as in the table."""
    table = np.array([[setting(f"{robot}-{kind}-{version}") for kind in KINDS] for robot in ROBOTS])  # [3, 4, 2]
    sums = [*table.sum(1).T.ravel(), *table.sum(0).T.ravel()]  # both of robots, then both of kinds
    np.testing.assert_allclose(sums, np.array(expected.replace("|", " ").split(), dtype=float))


@pytest.mark.parametrize("version", ["v0", "v2"])
def test_mopos_settings_sum_up_to_those_of_table_6(version: str) -> None:
    assert_sums(mopo_setting, version, "16 20 8 | 3.5 8 9 | 11 11 11 11 | 2.5 11 3 4")
    for variant in ("mbpo", "no-ensemble"):  # the table's last column
        setting = partial(mopo_setting, variant=variant)
        assert_sums(setting, version, "20 20 12 | 0 0 0 | 15 15 11 11 | 0 0 0 0")


def test_mopos_settings_are_of_the_grid_but_for_two() -> None:
    """MOPO, appendix G.2: (h, lambda) in {1, 5}^2 except for halfcheetah-random and walker2d-medium-expert."""
    names = [f"{robot}-{kind}-v0" for robot in ROBOTS for kind in KINDS]
    outside = {name for name in names if not {*mopo_setting(name)} <= {1, 5}}
    assert outside == {"halfcheetah-random-v0", "walker2d-medium-expert-v0"}


def test_the_kits_settings_sum_up_to_its_suggestions_and_to_the_papers_on_random_data() -> None:
    setting = partial(mopo_setting, variant="kit")
    assert_sums(setting, "v2", "20 20 8 | 4 13.5 6.5 | 11 15 11 11 | 2.5 6 5.5 10")


def test_damos_settings_sum_up_to_those_of_table_4() -> None:
    assert_sums(damo_setting, "v2", "20 20 14 | 3.2 10 7 | 15 11 15 13 | 4.1 4.5 4.6 7")


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("combo", "20 20 8 | 6.5 11 11 | 15 11 11 11 | 1.5 10.5 1.5 15"),
        ("rambo", "20 14 17 | 9e-4 12e-4 3e-4 | 12 15 12 12 | 3e-4 6e-4 6e-4 9e-4"),
        ("mobile", "20 20 12 | 3.1 8.1 4.5 | 15 15 11 11 | 7.5 2.5 0.7 5"),
    ],
)
def test_the_baselines_settings_sum_up_to_those_of_their_codes(algorithm: str, expected: str) -> None:
    """OfflineRL-Kit's suggestions (COMBO's with ours on random data, MOBILE's) and RAMBO's configurations."""
    assert_sums(partial(baseline_setting, algorithm=algorithm), "v2", expected)


def test_variants_without_a_penalty_keep_the_rollout_lengths_of_tasks_that_are_not_in_the_table() -> None:
    for name, (length, weight) in OUT_OF_DISTRIBUTION.items():
        assert mopo_setting(name) == mopo_setting(name, "kit") == (length, weight)
        assert all(mopo_setting(name, variant) == (length, 0.0) for variant in NO_PENALTY)
    for name in ("hopper-medium-v2", "walker2d-medium-replay-v0"):
        assert mopo_setting(name, "no-penalty") == (mopo_setting(name)[0], 0.0)


def test_actions_are_random_in_rollouts_of_the_out_of_distribution_tasks_alone() -> None:
    for variant in mopo_presets.VARIANTS:
        random = {name for name in TASKS if mopo(name, variant).random_rollout_actions}
        assert random == OUT_OF_DISTRIBUTION.keys()


@pytest.mark.parametrize("name", ["hopper-expert-v2", "pen-human-v1", "hiv-treatment", "maze2d-umaze-v1"])
def test_other_tasks_have_the_commonest_settings(name: str) -> None:
    assert mopo_setting(name) == mopo_setting(name, "kit") == (5, 1.0)
    assert all(mopo_setting(name, variant) == (5, 0.0) for variant in NO_PENALTY)
    assert damo_setting(name) == (5, 2.0)


def check_ensemble(dynamics: DynamicsConfig) -> None:
    """What MOPO's code and OfflineRL-Kit share; bounds on log variances are twice those on log deviations."""
    assert (dynamics.members, dynamics.elites, dynamics.hidden, dynamics.layers) == (7, 5, 200, 4)
    assert (dynamics.batch_size, dynamics.learning_rate) == (256, 1e-3)
    assert (dynamics.holdout_share, dynamics.holdout_limit, dynamics.improvement) == (0.2, 1000, 0.01)
    assert (*dynamics.weight_decay, dynamics.head_weight_decay) == (2.5e-5, 5e-5, 7.5e-5, 7.5e-5, 1e-4)
    assert (2.0 * dynamics.upper_log_std, 2.0 * dynamics.lower_log_std) == (0.5, -10.0)
    assert dynamics.bounds_weight == 0.01
    assert not dynamics.standardizes_targets
    assert (dynamics.steps_per_look, dynamics.holdout_criterion) == (None, HoldoutCriterion.SQUARED_ERROR)
    assert dynamics.fixed_bootstrap


def check_schedule(schedule: Schedule, epochs: int) -> None:
    """An epoch: 50,000 starts, then 1000 updates on batches of 256 with 5 % real rows."""
    assert (schedule.epochs, schedule.steps_per_epoch, schedule.paths) == (epochs, 1000, 50_000)
    assert (schedule.retained_epochs, schedule.batch_size) == (5, 256)
    assert (schedule.real_fraction, schedule.real_rows(1)) == (0.05, 12)
    assert schedule.buffer_capacity == 5 * 50_000 * schedule.rollout_length


@pytest.mark.parametrize("name", ["hopper-medium-v2", "hiv-treatment"])
def test_constants_of_mopos_code(name: str) -> None:
    config = mopo(name)
    check_ensemble(config.dynamics)
    check_schedule(config.schedule, epochs=1000)
    learner = config.learner
    assert (config.dynamics.patience, config.evaluation_episodes) == (6, 10)
    assert (learner.critic_learning_rate, learner.policy_learning_rate) == (3e-4, 3e-4)
    assert (learner.temperature_learning_rate, learner.initial_log_temperature) == (3e-4, 0.0)
    assert (learner.target_entropy, learner.highest_temperature) == (-3.0, None)
    assert (learner.discount, learner.target_rate) == (0.99, 0.005)
    assert learner.hidden == learner.policy.hidden == (256, 256)
    assert (learner.policy.lowest_log_std, learner.policy.highest_log_std) == (-20.0, 2.0)


def test_constants_of_offline_rl_kit() -> None:
    config = mopo("hopper-medium-v2", "kit")
    check_ensemble(config.dynamics)
    check_schedule(config.schedule, epochs=3000)
    learner = config.learner
    assert (config.dynamics.patience, config.evaluation_episodes) == (5, 10)
    assert (learner.critic_learning_rate, learner.policy_learning_rate) == (3e-4, 1e-4)
    assert (learner.temperature_learning_rate, learner.initial_log_temperature) == (1e-4, 0.0)
    assert (learner.target_entropy, learner.highest_temperature) == (None, 1.0)  # None: minus the action size
    assert (learner.discount, learner.target_rate) == (0.99, 0.005)
    assert learner.hidden == learner.policy.hidden == (256, 256)
    assert (learner.policy.lowest_log_std, learner.policy.highest_log_std) == (-5.0, 2.0)


def test_the_kit_on_a_small_task_has_mains_size_length_and_rates() -> None:
    main, kit = mopo("lqr-pointmass"), mopo("lqr-pointmass", "kit")
    assert (kit.schedule, kit.penalty_weight, kit.transitions) == (main.schedule, main.penalty_weight, main.transitions)
    assert kit.dynamics == replace(main.dynamics, patience=5)
    learner = replace(
        main.learner,
        policy_learning_rate_decay=Decay.COSINE,
        highest_temperature=1.0,
        policy=replace(main.learner.policy, lowest_log_std=-5.0),
    )
    assert kit == replace(main, learner=learner, dynamics=kit.dynamics)


def test_constants_of_damo() -> None:
    """The ensemble and the learning rates of OfflineRL-Kit, which DAMO builds on."""
    config = damo_presets.main_config(find_task("hopper-medium-v2"))
    check_ensemble(config.dynamics)
    check_schedule(config.schedule, epochs=3000)
    learner = config.learner.learner
    assert (config.dynamics.patience, config.evaluation_episodes) == (5, 10)
    assert (learner.critic_learning_rate, learner.policy_learning_rate) == (3e-4, 1e-4)
    assert (learner.temperature_learning_rate, learner.target_entropy) == (1e-4, None)
    assert (learner.discount, learner.target_rate) == (0.99, 0.005)
    assert learner.highest_temperature == 1.0
    assert learner.hidden == learner.policy.hidden == (256, 256)
