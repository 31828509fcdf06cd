"""Each variant of MOPO does what its name says: its model, what it charges, and who acts in its rollouts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from ampl.interfaces import Policy
from continuous.algorithms.mopo.config import VARIANTS, MOPOConfig, main_config
from continuous.algorithms.mopo.mopo import MOPO
from continuous.algorithms.mopo.penalties import Penalty
from continuous.model.rollout import UniformPolicy, roll_out
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import Batch, ReplayBuffer
from continuous.tasks.find import find_task
from tests.continuous.algorithms.small_ampl import line_table
from tests.continuous.algorithms.small_model_based import SAC, SCHEDULE, surroundings, true_line_step

SEEDS = (0, 1)
LAMBDA = 5.0  # on hopper-medium
PENALIZED = {
    "main": Penalty.MAX_STD,
    "kit": Penalty.MAX_STD,
    "mean-std": Penalty.MEAN_STD,
    "disagreement": Penalty.DISAGREEMENT,
    "true-error": Penalty.TRUE_ERROR,
}
FREE = ("mbpo", "no-ensemble", "no-penalty")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def preset(variant: str, task_name: str = "hopper-medium-v2") -> MOPOConfig:
    task = find_task(task_name)
    return VARIANTS[variant](main_config(task), task)


def built(variant: str, task_name: str = "hopper-medium-v2") -> MOPO:
    """A variant as the presets have it, fitted, but with small networks, few updates and a line for the task."""
    config = preset(variant, task_name)
    dynamics = replace(config.dynamics, hidden=8, steps_per_look=8, patience=2, batch_size=16, max_steps=80)
    small = replace(config, learner=SAC, schedule=SCHEDULE, dynamics=dynamics)
    algorithm = MOPO(line_table(), small, SEEDS, surroundings(true_step=true_line_step))
    algorithm.fit_model(None)
    return algorithm


def errors_of_elites(algorithm: MOPO, state: Tensor, action: Tensor) -> Tensor:
    """|T_hat(s, a) - T(s, a)| of each elite, [K, elites, B]."""
    mean, _ = predictions(algorithm, state, action)
    elites = torch.stack([mean[seed, algorithm.model.elites[seed]] for seed in range(len(SEEDS))])
    return (state[:, None] + elites[..., 1:] - true_line_step(state, action)[:, None]).norm(dim=-1)


@torch.no_grad()
def predictions(algorithm: MOPO, state: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of (r, s' - s) by every member, [K, E, B, D + 1]; the targets keep their units."""
    mean, log_std = algorithm.model.network(algorithm.model.standardization.inputs(state, action)[:, None])
    return mean, log_std.exp()


def by_hand(algorithm: MOPO, state: Tensor, action: Tensor) -> dict[Penalty, Tensor]:
    """u(s, a) of the three penalties that depend on nothing else, [K, B]."""
    mean, std = predictions(algorithm, state, action)
    norms = std.square().sum(-1).sqrt()  # over reward and state
    apart = mean[..., 1:] - mean[..., 1:].mean(1, keepdim=True)
    return {
        Penalty.MAX_STD: norms.max(1).values,
        Penalty.MEAN_STD: norms.sum(1) / norms.shape[1],
        Penalty.DISAGREEMENT: apart.square().sum(-1).sqrt().max(1).values,
    }


def pairs(algorithm: MOPO, rows: int = 40) -> tuple[Tensor, Tensor]:
    state, action = (
        column[:rows].expand(len(SEEDS), -1, -1).clone() for column in (algorithm.table.state, algorithm.table.action)
    )
    return state, action


def rolled_out_by(algorithm: MOPO, policy: Policy) -> Batch:
    """One epoch's rollout of the ensemble itself, without any penalty."""
    buffer = ReplayBuffer(len(SEEDS), algorithm.buffer.capacity, algorithm.table.layout)
    roll_out(
        algorithm.model, policy, algorithm.table, buffer, length=SCHEDULE.rollout_length,
        paths=SCHEDULE.paths, streams=SeedStreams(SEEDS, "rollouts"),
    )  # fmt: skip
    return rows_of(buffer)


def rows_of(buffer: ReplayBuffer) -> Batch:
    stored = [torch.from_numpy(buffer.state(seed)["rows"]) for seed in range(len(SEEDS))]
    return buffer.layout.unpack(torch.stack(stored))


def test_all_variants_are_tested_here() -> None:
    assert {*PENALIZED, *FREE} == set(VARIANTS)


@pytest.mark.parametrize("variant", VARIANTS)
def test_no_ensemble_alone_has_a_single_model(variant: str) -> None:
    members, elites = (1, 1) if variant == "no-ensemble" else (7, 5)
    model = built(variant).model
    assert model.network.members.stack == (len(SEEDS), members)
    assert model.elites.shape == (len(SEEDS), elites)


@pytest.mark.parametrize("variant", ["mean-std", "disagreement", "true-error", "no-penalty"])
@pytest.mark.parametrize("task_name", ["hopper-medium-v2", "ant-angle-30"])
def test_an_ablation_of_the_penalty_changes_nothing_else(variant: str, task_name: str) -> None:
    main, changed = preset("main", task_name), preset(variant, task_name)
    assert main.penalty is Penalty.MAX_STD
    assert changed.penalty is not main.penalty
    weight = 0.0 if variant == "no-penalty" else main.penalty_weight
    assert changed == replace(main, penalty=changed.penalty, penalty_weight=weight)


@pytest.mark.parametrize("variant", ["main", "kit", "mean-std", "disagreement"])
def test_a_penalized_variant_charges_its_own_penalty_and_no_other(variant: str) -> None:
    """lambda u to 1e-5 of itself; the others are off by 1 % on average."""
    algorithm = built(variant)
    state, action = pairs(algorithm)
    charge = algorithm.charged_step(state, action, SeedStreams(SEEDS, "step"))[3]
    for penalty, uncertainty in by_hand(algorithm, state, action).items():
        apart = (charge / (LAMBDA * uncertainty) - 1.0).abs()
        if penalty is PENALIZED[variant]:
            assert float(apart.max()) < 1e-5
        else:
            assert float(apart.mean()) > 0.01


def test_the_true_error_charges_the_error_of_the_elite_that_predicts_the_row() -> None:
    """lambda u to 1e-4 of itself."""
    algorithm = built("true-error")
    state, action = pairs(algorithm)
    charge = algorithm.charged_step(state, action, SeedStreams(SEEDS, "step"))[3]
    errors = errors_of_elites(algorithm, state, action)
    shift = SeedStreams(SEEDS, "step").integers(5, 1)  # row i is given to elite (i + shift) mod 5
    expected = errors.gather(1, ((torch.arange(40) + shift) % 5)[:, None])[:, 0]
    torch.testing.assert_close(charge, LAMBDA * expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("variant", FREE)
def test_without_a_penalty_a_step_is_the_models_own_and_costs_nothing(variant: str) -> None:
    algorithm = built(variant)
    state, action = pairs(algorithm)
    own = algorithm.model.step(state, action, SeedStreams(SEEDS, "step"))
    rolled = algorithm.rollout_model().step(state, action, SeedStreams(SEEDS, "step"))
    charged = algorithm.charged_step(state, action, SeedStreams(SEEDS, "step"))
    for one, two, three in zip(own, rolled, charged[:3], strict=True):
        assert torch.equal(one, two)
        assert torch.equal(one, three)
    assert (charged[3] == 0.0).all()


@pytest.mark.parametrize("task_name", ["hopper-medium-v2", "ant-angle-60"])
@pytest.mark.parametrize("variant", VARIANTS)
def test_rollouts_act_and_are_paid_as_the_variant_says(variant: str, task_name: str) -> None:
    """The buffer after an epoch: the ensemble's own rollout by the policy, or by uniform actions, less lambda u.

    To 1e-4 of themselves or 1e-5.
    """
    algorithm = built(variant, task_name)
    uniform = task_name != "hopper-medium-v2"
    own = rolled_out_by(algorithm, UniformPolicy(1) if uniform else algorithm.learner.policy)
    other = rolled_out_by(algorithm, algorithm.learner.policy if uniform else UniformPolicy(1))
    weight = preset(variant, task_name).penalty_weight
    algorithm.improve_policy(1)
    found = rows_of(algorithm.buffer)
    for name in ("state", "action", "next_state", "terminal"):
        torch.testing.assert_close(getattr(found, name), getattr(own, name), rtol=1e-4, atol=1e-5)
    assert float((found.action - other.action).abs().mean()) > 0.1
    charge = own.reward - found.reward
    if variant in FREE:
        assert torch.equal(found.reward, own.reward)
    elif variant == "true-error":  # of one of the elites
        errors = weight * errors_of_elites(algorithm, own.state, own.action)
        assert float((errors - charge[:, None]).abs().amin(1).max()) < 1e-5
        assert float(charge.mean()) > 1e-2
    else:
        expected = weight * by_hand(algorithm, own.state, own.action)[PENALIZED[variant]]
        torch.testing.assert_close(charge, expected, rtol=1e-4, atol=1e-5)


def test_the_uniform_policy_is_uniform_in_each_action_and_at_every_state() -> None:
    """Moments of 60,000 actions within four standard errors of 0, 1/3, 0 and 1/5; so is the mean product of two."""
    state = torch.randn(len(SEEDS), 60_000, 3)
    action = UniformPolicy(2).act(state, SeedStreams(SEEDS, "acting")).double()
    assert action.shape == (len(SEEDS), 60_000, 2)
    assert float(action.min()) >= -1.0
    assert float(action.max()) <= 1.0
    for power, moment in ((1, 0.0), (2, 1.0 / 3.0), (3, 0.0), (4, 1.0 / 5.0)):
        tolerance = 4.0 * (1.0 / (2 * power + 1) - moment**2) ** 0.5 / 60_000**0.5
        np.testing.assert_allclose(action.pow(power).mean(1), moment, atol=tolerance)
    np.testing.assert_allclose(action.prod(-1).mean(1), 0.0, atol=4.0 / 3.0 / 60_000**0.5)
    again = UniformPolicy(2).act(torch.zeros_like(state), SeedStreams(SEEDS, "acting")).double()
    assert torch.equal(action, again)


def test_each_seed_has_its_own_uniform_actions_alone_and_among_others() -> None:
    state = torch.zeros(3, 1000, 2)
    among = UniformPolicy(2).act(state, SeedStreams((4, 0, 7), "acting"))
    alone = UniformPolicy(2).act(state[:1], SeedStreams((7,), "acting"))
    assert torch.equal(among[2], alone[0])
    for one, two in ((0, 1), (0, 2), (1, 2)):
        assert float((among[one] - among[two]).abs().mean()) == pytest.approx(2.0 / 3.0, abs=0.06)
