"""What the parts of deep MOPO and DAMO compute."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ampl.arithmetic import DEFAULT
from ampl.errors import InvalidArgumentError
from ampl.scale import Scale
from ampl.training import train
from continuous.algorithms.damo import config as damo_presets
from continuous.algorithms.damo.classifier import ClassifierConfig
from continuous.algorithms.damo.learner import Actor, Conjugate, DAMOLearnerConfig, conjugate_value
from continuous.algorithms.mopo import config as mopo_presets
from continuous.algorithms.mopo.penalties import PenalizedModel, Penalty
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import TransitionTable
from continuous.tasks.find import find_task
from tests.continuous.algorithms.factories import FACTORIES
from tests.continuous.algorithms.small_ampl import line_table
from tests.continuous.algorithms.small_model_based import (
    damo_config,
    mopo_config,
    small_mopo,
    true_line_step,
)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_a_seed_that_diverges_stops_and_the_other_goes_on(tmp_path: Path) -> None:
    algorithm = small_mopo((0, 1))
    algorithm.fit_model(None)
    with torch.no_grad():
        algorithm.learner.critic_online.views["weight0"][1] = float("nan")
    results = train(algorithm, task="t", variant="v", epochs=2, out=tmp_path)
    assert [result.result.status for result in results] == ["finished", "stopped"]


def _ends_often(next_state: Tensor) -> Tensor:
    return next_state[..., 0] > 0.2


def test_the_buffer_serves_only_written_rows_and_nothing_after_an_end() -> None:
    table = line_table()
    algorithm = small_mopo((0, 1), table=table, termination=_ends_often)
    algorithm.fit_model(None)
    algorithm.improve_policy(1)
    served = algorithm.buffer.sample(5000, SeedStreams((0, 1), "test"))
    assert algorithm.buffer.n_transitions == 6 * 5 * 3  # one epoch, less than the capacity
    assert (served.state != 0.0).any(-1).all()  # rows not written are zeros
    assert served.terminal.any()
    torch.testing.assert_close(served.terminal, _ends_often(served.next_state))
    from_data = (served.state[:, :, None] == table.state).all(-1).any(-1)
    ended = _ends_often(served.state) & ~from_data  # a state that only a path that had ended could have
    assert not ended.any()


def test_each_penalty_is_its_definition() -> None:
    algorithm = small_mopo((0,))
    algorithm.fit_model(None)
    state, action = algorithm.table.state[None, :7], algorithm.table.action[None, :7]
    mean, std = PenalizedModel(algorithm.model, Penalty.MAX_STD, 1.0).predictions(state, action)
    members = mean.shape[1]
    expected = {
        Penalty.MAX_STD: [max(float(std[0, m, row].detach().norm()) for m in range(members)) for row in range(7)],
        Penalty.MEAN_STD: [
            sum(float(std[0, m, row].detach().norm()) for m in range(members)) / members for row in range(7)
        ],
        Penalty.DISAGREEMENT: [
            max(float((mean[0, m, row, 1:] - mean[0, :, row, 1:].mean(0)).detach().norm()) for m in range(members))
            for row in range(7)
        ],
    }
    for penalty, values in expected.items():
        found = PenalizedModel(algorithm.model, penalty, 1.0).uncertainty(state, action)
        assert found[0].tolist() == pytest.approx(values, rel=1e-4)


def test_the_true_error_is_the_distance_of_the_drawn_elites_mean_from_the_simulators_state() -> None:
    """MOPO, "true pen.": |T_hat(s, a) - T(s, a)|; before an elite is drawn, its average over the elites."""
    algorithm = small_mopo((0,), "true-error")
    algorithm.fit_model(None)
    state, action = algorithm.table.state[None, :8], algorithm.table.action[None, :8]
    priced, free = (PenalizedModel(algorithm.model, Penalty.TRUE_ERROR, w, true_line_step) for w in (1.0, 0.0))
    mean = priced.predictions(state, action)[0].detach()
    errors = torch.tensor(
        [
            [
                float((state[0, row] + mean[0, elite, row, 1:] - true_line_step(state, action)[0, row]).norm())
                for elite in algorithm.model.elites[0].tolist()
            ]
            for row in range(8)
        ]
    )  # [B, elites]
    torch.testing.assert_close(priced.uncertainty(state, action)[0].detach(), errors.mean(1), rtol=1e-4, atol=1e-6)
    steps = [model.step(state, action, SeedStreams((0,), "step")) for model in (free, priced)]
    torch.testing.assert_close(steps[0][0], steps[1][0])
    charged = (steps[0][1] - steps[1][1])[0]
    shift = int(SeedStreams((0,), "step").integers(algorithm.model.config.elites, 1)[0, 0])
    turn = [(row + shift) % algorithm.model.config.elites for row in range(8)]
    torch.testing.assert_close(charged, errors[range(8), turn], rtol=1e-3, atol=1e-5)


def test_rows_without_a_true_state_are_charged_the_largest_error_of_their_seed() -> None:
    algorithm = small_mopo((0, 1))
    algorithm.fit_model(None)
    state, action = (rows[:12].expand(2, -1, -1).clone() for rows in (algorithm.table.state, algorithm.table.action))

    def partly(state: Tensor, action: Tensor) -> Tensor:
        found = true_line_step(state, action)
        found[0, 3] = float("nan")
        return found

    everywhere = (
        PenalizedModel(algorithm.model, Penalty.TRUE_ERROR, 1.0, true_line_step).uncertainty(state, action).detach()
    )
    found = PenalizedModel(algorithm.model, Penalty.TRUE_ERROR, 1.0, partly).uncertainty(state, action).detach()
    others = torch.arange(12) != 3
    torch.testing.assert_close(found[:, others], everywhere[:, others])
    assert float(found[0, 3]) == float(everywhere[0, others].max())
    assert float(found[1, 3]) == float(everywhere[1, 3])
    nowhere = PenalizedModel(algorithm.model, Penalty.TRUE_ERROR, 1.0, lambda state, action: torch.nan * state)
    assert (nowhere.uncertainty(state, action) == 0.0).all()


def test_a_task_whose_observations_hide_its_state_is_refused_before_its_data_are_read() -> None:
    with pytest.raises(InvalidArgumentError, match="Pen's observations leave out parts of the simulator's state"):
        FACTORIES["mopo"].build(find_task("pen-human-v1"), "true-error", (0,), "cpu", Scale(), DEFAULT)
    with pytest.raises(InvalidArgumentError, match="penalty is true-error, but true_step is not given"):
        PenalizedModel(small_mopo().model, Penalty.TRUE_ERROR, 1.0)


def test_the_penalty_is_subtracted_from_the_reward_alone() -> None:
    algorithm = small_mopo((0,))
    algorithm.fit_model(None)
    state, action = algorithm.table.state[None, :64], algorithm.table.action[None, :64]
    steps = [
        PenalizedModel(algorithm.model, Penalty.MAX_STD, weight).step(state, action, SeedStreams((0,), "step"))
        for weight in (0.0, 2.0)
    ]
    uncertainty = PenalizedModel(algorithm.model, Penalty.MAX_STD, 1.0).uncertainty(state, action)
    torch.testing.assert_close(steps[0][0], steps[1][0])
    torch.testing.assert_close(steps[0][1] - 2.0 * uncertainty, steps[1][1])


def test_without_a_penalty_the_elites_predict_as_the_ensemble_does() -> None:
    """The same draws, whether all members are computed or the elites alone."""
    algorithm = small_mopo((0,))
    algorithm.fit_model(None)
    state, action = algorithm.table.state[None, :50], algorithm.table.action[None, :50]
    plain = PenalizedModel(algorithm.model, Penalty.NONE, 0.0).step(state, action, SeedStreams((0,), "step"))
    all_members = PenalizedModel(algorithm.model, Penalty.MAX_STD, 0.0).step(state, action, SeedStreams((0,), "step"))
    for one, two in zip(plain, all_members, strict=True):
        torch.testing.assert_close(one, two, atol=1e-5, rtol=1e-5)


def test_the_models_targets_keep_their_units() -> None:
    algorithm = small_mopo((0,))
    algorithm.fit_model(None)
    assert (algorithm.model.standardization.target_std == 1.0).all()
    assert (algorithm.model.standardization.input_std != 1.0).all()


def test_the_one_sided_conjugate_ignores_negative_residuals_and_the_two_sided_does_not() -> None:
    below = torch.tensor([-1.0])
    assert float(conjugate_value(Conjugate.ONE_SIDED, below)) == 0.0
    assert float(conjugate_value(Conjugate.TWO_SIDED, below)) == pytest.approx(2.0 / 3.0)


def test_scaling_keeps_the_model_transitions_of_an_update_and_says_so() -> None:
    published = mopo_presets.main_config(find_task("hopper-medium-v2"))
    small = published.scaled(Scale(epochs=3, steps_per_epoch=100))
    assert small.schedule.paths == 5000
    assert small.dynamics == published.dynamics
    assert small.scale_note(published) == "scaled: 3 epochs of 100 steps instead of 1000 of 1000"
    damo = damo_presets.main_config(find_task("hopper-medium-v2"))
    assert damo.scaled(Scale(epochs=3, steps_per_epoch=100)).dynamics == damo.dynamics


def test_bad_settings_are_one_line() -> None:
    with pytest.raises(InvalidArgumentError, match="only AMPL estimates importance weights"):
        mopo_config().scaled(Scale(weight_steps=5))
    with pytest.raises(InvalidArgumentError, match="alpha is 0"):
        DAMOLearnerConfig(alpha=0.0)
    with pytest.raises(InvalidArgumentError, match="expected inconsistent"):
        DAMOLearnerConfig(alpha=1.0, behavior_alignment=False)
    with pytest.raises(InvalidArgumentError, match="penalty_weight is -1"):
        replace(mopo_config(), penalty_weight=-1.0)
    with pytest.raises(InvalidArgumentError, match="log_ratio_clip"):
        ClassifierConfig(log_ratio_clip=-1.0)
    assert damo_config("inconsistent").learner.actor is Actor.INCONSISTENT


def constant_column_table() -> TransitionTable:
    """`line_table` with a third coordinate that is always 0.3, and a fourth that is always zero."""
    table = line_table()
    constant = torch.tensor([0.3, 0.0]).expand(table.n_transitions, 2)
    state, next_state = (torch.cat((column, constant), 1) for column in (table.state, table.next_state))
    return table.changed(state=state, next_state=next_state, start_state=state)


def test_a_column_that_never_changes_does_not_blow_up_rollouts() -> None:
    """The model's noise in it is not divided by a standard deviation of zero at the next step."""
    algorithm = small_mopo(table=constant_column_table())
    algorithm.fit_model(None)
    state, streams = algorithm.table.state[None, :200], SeedStreams((0,), "steps")
    for _ in range(5):
        state, reward, _ = algorithm.model.step(state, algorithm.table.action[None, :200], streams)
        assert float(state.abs().max()) < 20.0
        assert float(reward.abs().max()) < 20.0


@pytest.mark.parametrize("penalty", [Penalty.MAX_STD, Penalty.MEAN_STD, Penalty.DISAGREEMENT])
def test_rows_that_diverge_are_charged_the_largest_penalty_of_their_batch(penalty: Penalty) -> None:
    algorithm = small_mopo()
    algorithm.fit_model(None)
    state, action = algorithm.table.state[None, :50].clone(), algorithm.table.action[None, :50]
    state[0, 3], state[0, 4] = float("nan"), 1e38
    *_, charge = PenalizedModel(algorithm.model, penalty, 2.0).charged_step(state, action, SeedStreams((0,), "step"))
    others = torch.ones(50, dtype=torch.bool)
    others[3:5] = False
    assert charge.isfinite().all()
    if penalty is Penalty.DISAGREEMENT:
        assert float(charge[0, 4]) == float(charge[0, others].max())
    assert float(charge[0, 3]) == float(charge[0, torch.arange(50) != 3].max())
