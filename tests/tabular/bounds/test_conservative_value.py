"""CQL's and COMBO's values are minima of their losses and fixed points; the regularized policy is optimal."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampl.claims.cases import CaseSpec
from ampl.errors import UncoveredPairsError
from tabular.bounds.conservative_value import (
    action_divergence,
    action_ratio,
    chi_squared_improvement,
    entropic_backup,
    entropic_value,
    mixed_mdp,
)
from tabular.claims.families import build_case
from tabular.exact.occupancy import one_step_value
from tabular.exact.policy import mix_policies, random_policy, softmax_policy
from tests.strategies import Case, mdp_model_and_policies, seeds


def entropic_loss(value: np.ndarray, target: np.ndarray, behavior: np.ndarray, alpha: float) -> np.ndarray:
    """CQL(H)'s Eq. 4 at each state, temperature 1."""
    highest = value.max(axis=1)
    soft = highest + np.log(np.exp(value - highest[:, None]).sum(axis=1))
    return alpha * (soft - (behavior * value).sum(axis=1)) + (behavior * (value - target) ** 2).sum(axis=1) / 2.0


@given(seeds(), st.sampled_from([1e-3, 0.1, 3.0, 100.0]))
def test_the_entropic_backup_is_the_minimum_of_cqls_loss(seed: int, alpha: float) -> None:
    generator = np.random.default_rng(seed)
    behavior, target = random_policy(4, 3, generator, 0.3), generator.normal(0.0, 10.0, (4, 3))
    value, chances = entropic_backup(target, behavior, alpha)
    np.testing.assert_allclose(chances, softmax_policy(value), atol=1e-9)
    least = entropic_loss(value, target, behavior, alpha)
    for _ in range(20):
        other = value + generator.normal(0.0, 0.1, value.shape)
        assert (entropic_loss(other, target, behavior, alpha) >= least - 1e-9 * (1.0 + np.abs(least))).all()


@given(mdp_model_and_policies(), st.sampled_from([0.01, 1.0, 10.0]), st.sampled_from([0.1, 1.0]))
def test_the_entropic_value_is_the_fixed_point_of_its_backup(case: Case, alpha: float, temperature: float) -> None:
    behavior = mix_policies(case.behavior, np.full_like(case.behavior, 1.0 / case.mdp.n_actions), 0.1)
    value = entropic_value(case.mdp, case.policy, behavior, alpha, temperature)
    target = one_step_value(case.mdp, (case.policy * value).sum(axis=1))
    expected = target - alpha * (softmax_policy(value, temperature) / behavior - 1.0)
    np.testing.assert_allclose(value, expected, atol=1e-9 * (1.0 + np.abs(value).max()))


def test_newtons_steps_are_halved_where_they_would_go_round_in_circles() -> None:
    """On this problem full steps lead from one value to another and back for ever."""
    case = build_case(CaseSpec(family="random", index=940, seed=7)).in_reward_units
    value = entropic_value(case.mdp, case.policy, case.behavior, 3.54)
    target = one_step_value(case.mdp, (case.policy * value).sum(axis=1))
    np.testing.assert_allclose(value, target - 3.54 * (softmax_policy(value) / case.behavior - 1.0), atol=1e-9)


@given(seeds(), st.sampled_from([0.01, 1.0, 100.0]))
def test_no_policy_beats_the_chi_squared_improvement(seed: int, alpha: float) -> None:
    generator = np.random.default_rng(seed)
    behavior = mix_policies(random_policy(4, 3, generator, 0.1), np.full((4, 3), 1.0 / 3.0), 0.01)
    following = generator.normal(0.0, 1.0, (4, 3))

    def objective(policy: np.ndarray) -> np.ndarray:
        return (policy * following).sum(axis=1) - alpha * action_divergence(policy, behavior)

    best = chi_squared_improvement(following, behavior, alpha)
    others = [np.eye(3)[[action] * 4] for action in range(3)] + [random_policy(4, 3, generator) for _ in range(10)]
    for other in others:
        for share in (1e-3, 1.0):
            mixed = objective(mix_policies(best, other, share))
            assert (mixed <= objective(best) + 1e-9 * (1.0 + np.abs(mixed))).all()


def test_a_penalty_that_is_infinite_is_refused() -> None:
    with pytest.raises(UncoveredPairsError, match="action 1 in state 0 has probability 1"):
        action_ratio(np.array([[0.0, 1.0]]), np.array([[1.0, 0.0]]))


@given(mdp_model_and_policies())
def test_combos_backup_is_the_datas_or_the_models_where_batches_hold_one_of_them(case: Case) -> None:
    data, rollouts = case.behavior_occupancy, case.policy_occupancy
    for share, alone in ((1.0, case.mdp), (0.0, case.model)):
        mixed, _ = mixed_mdp(case.model, case.mdp, data, rollouts, share)
        held = (data if share else rollouts) > 0.0
        np.testing.assert_array_equal(mixed.dynamics[held], alone.to_dense().dynamics[held])
    _, ratio = mixed_mdp(case.model, case.mdp, data, rollouts, 0.5)
    assert np.vdot(data + rollouts, ratio) == pytest.approx(0.0, abs=1e-9)  # 2 E_{d_f}[(rho - d) / d_f]
