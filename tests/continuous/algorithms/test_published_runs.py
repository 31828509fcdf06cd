"""What decides a full-length score: lengths, decayed learning rates, where model paths end, and the released defects.

Values are those of the official code of MOPO, OfflineRL-Kit, OMPO and AMPL.
"""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from continuous.algorithms.ampl import config as ampl_presets
from continuous.algorithms.damo import config as damo_presets
from continuous.algorithms.damo.classifier import ClassifierConfig, TransitionClassifier
from continuous.algorithms.learner import Decay, cosine_decay
from continuous.algorithms.mopo import config as mopo_presets
from continuous.algorithms.mopo.mopo import MOPO
from continuous.algorithms.sac.learner import SoftActorCritic
from continuous.networks.streams import SeedStreams
from continuous.tasks.find import find_task
from continuous.tasks.registry import TASKS
from continuous.tasks.termination import bounded, model_rule, never, of_next_state
from continuous.weights.vpm import VPMConfig
from tests.continuous.algorithms.factories import FACTORIES
from tests.continuous.algorithms.small_ampl import line_table
from tests.continuous.algorithms.small_model_based import SAC, mopo_config, small_damo, surroundings

PRESETS = {"ampl": ampl_presets, "mopo": mopo_presets, "damo": damo_presets}
EPOCHS = {("mopo", "kit"): 3000} | {("damo", variant): 3000 for variant in damo_presets.VARIANTS}  # others: 1000


@pytest.mark.parametrize("algorithm", PRESETS)
def test_every_variant_trains_as_many_epochs_as_its_configuration_says(algorithm: str) -> None:
    for variant in FACTORIES[algorithm].variants:
        for name in ("hopper-medium-v2", "maze2d-umaze-v1", "hiv-treatment"):
            task = find_task(name)
            config = PRESETS[algorithm].published_config(task, variant)
            expected = EPOCHS.get((algorithm, variant), 1000)
            assert FACTORIES[algorithm].default_epochs(task, variant) == config.schedule.epochs == expected


def test_the_cosine_decay_at_its_beginning_middle_and_end() -> None:
    """torch's CosineAnnealingLR over 3000 epochs, stepped once an epoch."""
    assert cosine_decay(1e-4, 0, 3000) == 1e-4
    assert cosine_decay(1e-4, 1500, 3000) == pytest.approx(5e-5)
    assert cosine_decay(1e-4, 3000, 3000) == pytest.approx(0.0, abs=1e-12)
    assert cosine_decay(1e-4, 1000, 3000) == pytest.approx(7.5e-5)


def test_the_kit_and_damo_decay_the_policys_learning_rate_and_mopo_does_not() -> None:
    task = find_task("hopper-medium-v2")
    kit, main = (mopo_presets.published_config(task, variant).learner for variant in ("kit", "main"))
    damo = damo_presets.published_config(task, "main").learner.learner
    assert (kit.policy_learning_rate_decay, damo.policy_learning_rate_decay) == (Decay.COSINE, Decay.COSINE)
    assert main.policy_learning_rate_decay is Decay.NONE
    assert kit.policy.lowest_log_std == damo.policy.lowest_log_std == -5.0
    assert main.policy.lowest_log_std == -20.0


def moved(decay: Decay, epoch: int) -> tuple[float, float]:
    """How far the policy and the critics go in one epoch of ten, from the same beginning."""
    config = replace(mopo_config(), learner=replace(SAC, policy_learning_rate_decay=decay))
    algorithm = MOPO(line_table(), config, (0,), surroundings())
    algorithm.fit_model(None)
    parts = (algorithm.learner.policy.network.values, algorithm.learner.critic_online.values)
    before = [part.clone() for part in parts]
    algorithm.improve_policy(epoch)
    policy, critics = (float((part - old).abs().max()) for part, old in zip(parts, before, strict=True))
    return policy, critics


def test_a_decayed_policy_learns_slower_epoch_by_epoch_and_the_critics_do_not() -> None:
    first, middle, last = (moved(Decay.COSINE, epoch) for epoch in (1, 6, 10))
    assert first == moved(Decay.NONE, 1) == moved(Decay.NONE, 6)
    assert middle[0] == pytest.approx(0.5 * first[0], rel=0.2)
    assert last[0] == pytest.approx(0.5 * (1.0 + math.cos(0.9 * math.pi)) * first[0], rel=0.3)
    assert middle[1] == pytest.approx(first[1], rel=0.2)


def test_learners_take_the_rate_of_the_epoch_whatever_ran_before() -> None:
    """So that a resumed run goes on with the right one, though no checkpoint holds it."""
    config = replace(SAC, policy_learning_rate_decay=Decay.COSINE)
    learner = SoftActorCritic(2, 1, config, (0,))
    learner.begin_epoch(5, 10)
    assert float(learner.policy_optimizer._learning_rate) == pytest.approx(0.5 * SAC.policy_learning_rate)
    learner.begin_epoch(0, 10)
    assert float(learner.policy_optimizer._learning_rate) == pytest.approx(SAC.policy_learning_rate)


def test_model_paths_of_the_kit_and_damo_end_where_a_state_reaches_100() -> None:
    for name, task in TASKS.items():
        limited = name.startswith(("halfcheetah-", "walker2d-")) and name != "halfcheetah-jump"
        expected = 100.0 if limited else None
        assert mopo_presets.published_config(task, "kit").largest_state == expected
        assert damo_presets.published_config(task, "main").largest_state == expected
        assert mopo_presets.published_config(task, "main").largest_state is None


@pytest.mark.parametrize("value", [100.0, -100.0, 1e9, math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("column", [0, 1, 16])
def test_any_entry_that_reaches_the_bound_ends_the_path_on_either_side(value: float, column: int) -> None:
    state = torch.zeros(3, 17)
    state[1, column] = value
    state[2, column] = math.copysign(99.99, value)
    assert bounded(of_next_state(never), 100.0)(state, state, state).tolist() == [False, True, False]


def test_the_bound_is_added_to_the_robots_own_rule() -> None:
    state = torch.zeros(2, 17)
    state[0, 0], state[1, 0] = 1.2, 0.5  # heights of a walker that stands, and of one that fell
    rule = bounded(model_rule(find_task("walker2d-medium-v2")), 100.0)
    assert rule(state, torch.zeros(2, 6), state).tolist() == [False, True]


def test_released_rollouts_differ_from_main_in_the_shared_action_alone() -> None:
    for name in ("maze2d-umaze-v1", "walker2d-medium-replay-v2"):
        main, released = (ampl_presets.published_config(find_task(name), v) for v in ("main", "released-rollouts"))
        assert not main.shared_rollout_action
        assert released == replace(main, shared_rollout_action=True)


def test_vpm_copies_its_network_after_every_tenth_update() -> None:
    table, streams = line_table(), SeedStreams((0,), "weights")
    config = VPMConfig(steps=30, batch_size=8, start_batch_size=8, hidden=(8,), learning_rate=1e-2)
    vpm = config.build(table.observation_size, table.action_size, (0,), None, "cpu")
    policy = small_damo().learner.policy
    update = vpm.start(table, policy, None, streams)  # type: ignore[arg-type]
    online, copy = vpm.network.values, vpm.previous.values
    beginning = copy.clone()
    copied = []
    for _ in range(21):
        update()
        copied.append(torch.equal(online, copy))
    assert [number + 1 for number, same in enumerate(copied) if same] == [10, 20]
    before_second = copy.clone()
    assert not torch.equal(before_second, beginning)
    again = vpm.start(table, policy, None, streams)  # type: ignore[arg-type]
    again()  # the first update of the next estimation copies nothing
    assert torch.equal(copy, before_second)


def test_ompos_gradient_penalty_is_its_formula() -> None:
    """10 (|slope of the logit by (s, a, s')| - 1)^2 at points between real and model rows; a line has one slope."""
    assert damo_presets.published_config(find_task("hopper-medium-v2"), "gradient-penalty") == replace(
        damo_presets.published_config(find_task("hopper-medium-v2"), "main"),
        learner=replace(
            damo_presets.published_config(find_task("hopper-medium-v2"), "main").learner,
            classifier=ClassifierConfig(gradient_penalty=10.0),
        ),
    )
    table, streams = line_table(), SeedStreams((0,), "rows")
    classifier = TransitionClassifier(
        table.observation_size, table.action_size, ClassifierConfig(hidden=(5,), gradient_penalty=10.0), (0,)
    )
    real, imagined = table.sample(6, streams), table.sample(6, streams)
    mixing = torch.linspace(0.0, 1.0, 6)[None]
    rows = [torch.cat((part.state, part.action, part.next_state), -1).double()[0] for part in (imagined, real)]
    views = {name: view.detach().double() for name, view in classifier.network.views.items()}
    expected = []
    for lower, upper, share in zip(*rows, mixing[0].double(), strict=True):
        hidden = torch.tanh((lower + share * (upper - lower)) @ views["weight0"][0] + views["bias0"][0, 0])
        slope = views["weight0"][0] @ ((1.0 - hidden**2) * views["weight1"][0, :, 0])
        expected.append(float((slope.norm() - 1.0) ** 2))
    found = classifier.slope_excess(real, imagined, mixing)
    assert found.tolist() == pytest.approx([sum(expected) / 6], rel=1e-5)


def test_the_gradient_penalty_draws_the_slope_towards_one_and_changes_nothing_where_it_is_off() -> None:
    slopes = []
    for weight in (0.0, 100.0):
        streams = SeedStreams((0,), "rows")
        table = line_table()
        config = ClassifierConfig(hidden=(16,), gradient_penalty=weight, learning_rate=1e-2)
        classifier = TransitionClassifier(table.observation_size, table.action_size, config, (0,))
        for _ in range(200):
            real, imagined, mixing = table.sample(16, streams), table.sample(16, streams), streams.uniform(16)
            classifier.update(real, imagined, mixing if weight else None)
        slopes.append(float(classifier.slope_excess(real, imagined, mixing).detach()))
    assert slopes[1] < 0.05 < slopes[0]
