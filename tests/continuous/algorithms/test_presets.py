"""MOPO's and DAMO's settings, row by row, against the published tables, retyped here."""

from __future__ import annotations

import pytest

from continuous.algorithms.branched_schedule import BranchedSchedule
from continuous.algorithms.damo import presets as damo_presets
from continuous.algorithms.mopo import presets as mopo_presets
from continuous.algorithms.mopo.mopo import MOPOConfig
from continuous.model.network import DynamicsConfig, HoldoutCriterion
from continuous.tasks.registry import TASKS, find_task

# MOPO, Table 6, whose "mixed" is medium-replay: h, lambda, and MBPO's h
TABLE6 = {
    "halfcheetah-random-v2": (5, 0.5, 5),
    "hopper-random-v2": (5, 1.0, 5),
    "walker2d-random-v2": (1, 1.0, 5),
    "halfcheetah-medium-v2": (1, 1.0, 5),
    "hopper-medium-v2": (5, 5.0, 5),
    "walker2d-medium-v2": (5, 5.0, 5),
    "halfcheetah-medium-replay-v2": (5, 1.0, 5),
    "hopper-medium-replay-v2": (5, 1.0, 5),
    "walker2d-medium-replay-v2": (1, 1.0, 1),
    "halfcheetah-medium-expert-v2": (5, 1.0, 5),
    "hopper-medium-expert-v2": (5, 1.0, 5),
    "walker2d-medium-expert-v2": (1, 2.0, 1),
}
# MOPO, section 5.3: h, lambda
OUT_OF_DISTRIBUTION = {
    "halfcheetah-jump": (5, 1.0),
    "ant-angle-30": (25, 2.0),
    "ant-angle-45": (25, 2.0),
    "ant-angle-60": (25, 2.0),
    "ant-angle-90": (25, 2.0),
}
# OfflineRL-Kit on v2 data: h, lambda
KIT = {
    "halfcheetah-medium-v2": (5, 0.5),
    "hopper-medium-v2": (5, 5.0),
    "walker2d-medium-v2": (5, 0.5),
    "halfcheetah-medium-replay-v2": (5, 0.5),
    "hopper-medium-replay-v2": (5, 2.5),
    "walker2d-medium-replay-v2": (1, 2.5),
    "halfcheetah-medium-expert-v2": (5, 2.5),
    "hopper-medium-expert-v2": (5, 5.0),
    "walker2d-medium-expert-v2": (1, 2.5),
}
# DAMO, Table 4: alpha, h
TABLE4 = {
    "halfcheetah-random-v2": (0.1, 5),
    "hopper-random-v2": (2.0, 5),
    "walker2d-random-v2": (2.0, 5),
    "halfcheetah-medium-v2": (0.5, 5),
    "hopper-medium-v2": (2.0, 5),
    "walker2d-medium-v2": (2.0, 1),
    "halfcheetah-medium-replay-v2": (0.1, 5),
    "hopper-medium-replay-v2": (3.0, 5),
    "walker2d-medium-replay-v2": (1.5, 5),
    "halfcheetah-medium-expert-v2": (2.5, 5),
    "hopper-medium-expert-v2": (3.0, 5),
    "walker2d-medium-expert-v2": (1.5, 3),
}


def mopo(name: str, variant: str = "main") -> MOPOConfig:
    task = find_task(name)
    return mopo_presets.VARIANTS[variant](mopo_presets.main_config(task), task)


def length_and_weight(config: MOPOConfig) -> tuple[int, float]:
    return config.schedule.rollout_length, config.penalty_weight


# the same rows for the data that the table is about
TABLE6 |= {name.replace("-v2", "-v0"): row for name, row in TABLE6.items()}


@pytest.mark.parametrize("name", TABLE6)
def test_mopo_and_mbpo_have_table_6s_rollout_lengths_and_penalties(name: str) -> None:
    length, weight, mbpo_length = TABLE6[name]
    assert length_and_weight(mopo(name)) == (length, weight)
    assert length_and_weight(mopo(name, "no-penalty")) == (length, 0.0)
    for variant in ("mbpo", "no-ensemble"):
        assert length_and_weight(mopo(name, variant)) == (mbpo_length, 0.0)


@pytest.mark.parametrize("name", OUT_OF_DISTRIBUTION)
def test_out_of_distribution_tasks_have_section_5s_settings_and_mbpo_their_lengths(name: str) -> None:
    assert length_and_weight(mopo(name)) == OUT_OF_DISTRIBUTION[name]
    for variant in ("mbpo", "no-ensemble", "no-penalty"):
        assert length_and_weight(mopo(name, variant)) == (OUT_OF_DISTRIBUTION[name][0], 0.0)
    assert length_and_weight(mopo(name, "kit")) == OUT_OF_DISTRIBUTION[name]


def test_actions_are_random_in_rollouts_of_the_out_of_distribution_tasks_alone() -> None:
    for variant in mopo_presets.VARIANTS:
        random = {name for name in TASKS if mopo(name, variant).random_rollout_actions}
        assert random == OUT_OF_DISTRIBUTION.keys()


def test_other_tasks_have_the_commonest_settings() -> None:
    others = TASKS.keys() - TABLE6.keys() - OUT_OF_DISTRIBUTION.keys()
    assert {"hopper-expert-v2", "pen-human-v1", "hiv-treatment"} <= others
    for name in others:
        for variant in ("main", "kit"):
            assert length_and_weight(mopo(name, variant)) == (5, 1.0)
        for variant in ("mbpo", "no-ensemble", "no-penalty"):
            assert length_and_weight(mopo(name, variant)) == (5, 0.0)


@pytest.mark.parametrize("name", TABLE6)
def test_the_kit_has_its_own_settings_where_it_names_any(name: str) -> None:
    assert length_and_weight(mopo(name, "kit")) == KIT.get(name, TABLE6[name][:2])


@pytest.mark.parametrize("name", TABLE4)
def test_damo_has_table_4s_coefficients_and_rollout_lengths(name: str) -> None:
    config = damo_presets.main_config(find_task(name))
    assert (config.learner.alpha, config.schedule.rollout_length) == TABLE4[name]


def test_damo_has_the_commonest_settings_on_other_tasks() -> None:
    for name in TASKS.keys() - TABLE4.keys():
        config = damo_presets.main_config(find_task(name))
        assert (config.learner.alpha, config.schedule.rollout_length) == (2.0, 5)


def test_every_row_is_read_by_a_task() -> None:
    assert TABLE6.keys() > TABLE4.keys()
    assert KIT.keys() < TABLE6.keys() < TASKS.keys()
    assert len(mopo_presets.PAPER) == len(TABLE6) / 2 + 2
    assert (len(mopo_presets.KIT), len(damo_presets.TABLE4)) == (len(KIT), len(TABLE4))


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


def check_schedule(schedule: BranchedSchedule, epochs: int) -> None:
    """An epoch: 50,000 starts, then 1000 updates on batches of 256 with 5 % real rows."""
    assert (schedule.epochs, schedule.steps_per_epoch, schedule.rollout_starts) == (epochs, 1000, 50_000)
    assert (schedule.retained_epochs, schedule.batch_size) == (5, 256)
    assert (schedule.real_fraction, schedule.real_rows) == (0.05, 12)
    assert schedule.buffer_capacity == 5 * 50_000 * schedule.rollout_length


@pytest.mark.parametrize("name", ["hopper-medium-v2", "ant-angle-30", "hiv-treatment"])
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


@pytest.mark.parametrize("name", ["hopper-medium-v2", "ant-angle-30", "hiv-treatment"])
def test_constants_of_offline_rl_kit(name: str) -> None:
    config = mopo(name, "kit")
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
