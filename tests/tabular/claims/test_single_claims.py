"""Single claims on the case that decides them: what contradicts one, what leaves it out, what it names."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

from ampl.claims.cases import CaseSpec
from ampl.claims.claim import Measurement, Undecided
from tabular.bounds.divergences import LOG_2
from tabular.claims import algaedice, dice_case, families, training
from tabular.claims.case import Case
from tabular.claims.families import build_case
from tabular.claims.registry import CLAIMS as FINITE
from tabular.exact.policy_gradient import logit_gradient
from tabular.mdps.generators import random_mdp
from tabular.mdps.mdp import FiniteMDP

CLAIMS = {claim.name: claim for claim in FINITE}


def test_a_deterministic_policy_that_is_no_optimum_contradicts_algaedices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its slope in every logit is zero."""
    claim = CLAIMS["algaedice-optimum"]
    case = build_case(CaseSpec(family="random", index=1, seed=0))
    drawn = dice_case._drawn(case.in_reward_units)
    assert drawn.mdp.n_actions > 1
    right, worst = drawn.optimum, np.argmin(np.where(drawn.data > 0.0, drawn.optimum.policy, np.inf), axis=1)
    wrong = np.eye(drawn.mdp.n_actions)[worst]
    measured = []
    for policy in (right.policy, wrong):
        vars(drawn)["optimum"] = replace(right, policy=policy)
        measured.append(algaedice._first_order_gain(drawn))
    assert np.abs(logit_gradient(wrong, drawn.objective(wrong)[1])).max() < 1e-12
    assert [claim.is_violated(found) for found in measured] == [False, True]


def test_where_combos_mean_penalty_is_zero_an_optimistic_model_contradicts_proposition_41_at_any_beta() -> None:
    """With pi = pi_b it is: the data's occupancy and the model's have the mean of both as that of the mixture."""
    cases = [build_case(CaseSpec(family="fork", index=index, seed=0)) for index in range(1, 20)]  # one action
    for truth, model in ((0, 1), (1, 0)):  # the fork's model is pessimistic; the other way around it is optimistic
        swapped = [
            Case(mdp=pair[truth], model=pair[model], policy=c.policy, behavior=c.behavior, family=c.family, seed=c.seed)
            for c in cases
            for pair in [(c.mdp, c.model)]
            if c.discount > 0.0
        ]
        found = [CLAIMS["combo-4.1"].assess(case) for case in swapped]
        assert all(isinstance(each, Measurement) and not each.condition_met for each in found)
        violated = [isinstance(each, Measurement) and CLAIMS["combo-4.1"].is_violated(each) for each in found]
        assert violated == [truth == 1] * len(found)


@pytest.mark.parametrize("name", ["mopo-theorem44", "mopo-eq11"])
def test_one_action_leaves_one_policy_however_many_states_there_are(name: str) -> None:
    mdp, model = (random_mdp(70, 1, np.random.default_rng(seed)) for seed in (0, 1))
    policy = np.ones((70, 1))
    case = Case(mdp=mdp, model=mdp.with_dynamics(model.dynamics), policy=policy, behavior=policy, family="user", seed=0)
    found = CLAIMS[name].assess(case)
    assert isinstance(found, Measurement)
    assert not CLAIMS[name].is_violated(found)


def test_a_long_chain_with_one_action_is_left_out_before_its_dense_matrices_are_built() -> None:
    stay = FiniteMDP(sparse.eye_array(100_000, format="csr"), np.ones((100_000, 1)), np.full(100_000, 1e-5), 0.9)
    policy = np.ones((100_000, 1))
    case = Case(mdp=stay, model=stay, policy=policy, behavior=policy, family="user", seed=0)
    assert CLAIMS["mopo-theorem44"].assess(case) is None


@pytest.mark.filterwarnings("error")
def test_a_model_without_any_true_transition_of_a_pair_is_named_by_damos_claims() -> None:
    dynamics, model = np.full((3, 2, 3), 1.0 / 3.0), np.full((3, 2, 3), 1.0 / 3.0)
    dynamics[2, 1], model[2, 1] = [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]
    mdp, policy = FiniteMDP(dynamics, np.ones((3, 2)), np.full(3, 1.0 / 3.0), 0.9), np.full((3, 2), 0.5)
    case = Case(mdp=mdp, model=mdp.with_dynamics(model), policy=policy, behavior=policy, family="user", seed=0)
    found = CLAIMS["damo-5.3"].assess(case)
    assert isinstance(found, Undecided)
    assert "after action 1 in state 2 the model shares no next state" in found.reason


@pytest.mark.parametrize("divergence", [-1e-6, LOG_2 + 1e-6])
def test_a_jensen_shannon_divergence_beyond_either_end_is_found_out(
    divergence: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "jensen_shannon", lambda *_: divergence)
    found = CLAIMS["eq8-jsd-range"].assess(build_case(CaseSpec(family="fork", index=0, seed=0)))
    assert isinstance(found, Measurement)
    assert CLAIMS["eq8-jsd-range"].is_violated(found)


def test_weights_lose_mean_one_where_the_policy_takes_actions_that_the_data_lack_in_a_state_it_never_reaches() -> None:
    """0 leads to 1 or 2, both absorbing. pi goes to 1; in 2, where the data go, too, it takes an action they lack."""
    dynamics = np.zeros((3, 2, 3))
    dynamics[0] = np.eye(3)[[1, 2]]
    dynamics[1:] = np.eye(3)[1:, None]
    mdp = FiniteMDP(dynamics, np.zeros((3, 2)), [1.0, 0.0, 0.0], 0.9)
    behavior = np.array([[0.5, 0.5], [1.0, 0.0], [1.0, 0.0]])
    for action, kept in ((0, True), (1, False)):
        policy = np.array([[1.0, 0.0], [1.0, 0.0], np.eye(2)[action]])
        case = Case(mdp=mdp, model=mdp, policy=policy, behavior=behavior, family="user", seed=0)
        found = CLAIMS["operator-keeps-mean"].assess(case)
        assert isinstance(found, Measurement)
        assert CLAIMS["operator-keeps-mean"].is_violated(found) is not kept


def test_cqls_theorem_34_holds_without_rewards_where_the_least_alpha_is_zero() -> None:
    """An alpha of zero is not "large enough", whatever the proof's bound comes to."""
    generator = np.random.default_rng(0)
    mdp = FiniteMDP(generator.dirichlet(np.ones(4), (4, 3)), np.zeros((4, 3)), np.full(4, 0.25), 0.9)
    parts = [families._on_given_mdp(mdp, index, generator) for index in range(6)]
    cases = [
        Case(mdp=true, model=model, policy=policy, behavior=behavior, family="user", seed=index)
        for index, (true, model, policy, behavior) in enumerate(parts)
    ]
    found = [CLAIMS["cql-3.4"].assess(case) for case in cases]
    measured = [each for each in found if isinstance(each, Measurement)]
    assert measured
    assert all(CLAIMS["cql-3.4"].value(each) <= 1.0 for each in measured)
    assert all(each.settings == "α = 1" for each in measured)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("damo-a1-any-f", {"half of chi-squared", "KL", "x^3/3"}),
        ("damo-a1-equality", {"KL"}),
        ("damo-kl-forgets-the-model", {"KL"}),
        ("damo-closed-form", {"chi-squared"}),
    ],
)
def test_a_measurement_names_the_f_that_it_was_made_with(name: str, kinds: set[str]) -> None:
    cases = [build_case(CaseSpec(family="random", index=index, seed=0)) for index in range(12)]
    found = [CLAIMS[name].assess(case) for case in cases]
    assert {each.settings.partition("f of ")[2] for each in found if isinstance(each, Measurement)} == kinds
