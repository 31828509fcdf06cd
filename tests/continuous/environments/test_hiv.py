"""The HIV task: the model's steady states and integration, and the environment."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import solve_ivp
from scipy.optimize import root

from ampl.errors import AmplError, InvalidArgumentError, NotConvergedError
from continuous.environments.hiv import dynamics
from continuous.environments.hiv.dynamics import (
    EARLY_INFECTION,
    IMMUNE_CONTROLLED,
    INFECTION_FREE,
    MAX_EFFICACY,
    UNHEALTHY,
    Floats,
    HivParameters,
    IntegrationConfig,
    advance,
    derivative,
)
from continuous.environments.hiv.environment import HivEnvironment
from continuous.environments.hiv.treatment import HivConfig, Observation, action_to_efficacy, observe, treatment_reward

# Observations are unbounded: the checker only warns of that.
pytestmark = pytest.mark.filterwarnings("ignore:.*A Box observation space:UserWarning")

NO_DRUGS = (0.0, 0.0)
NO_DOSE, FULL_DOSE = np.array([-1.0, -1.0]), np.array([1.0, 1.0])
V, E = 4, 5
SHORT = HivConfig(horizon=4)

states = st.lists(st.floats(-7.0, 14.0), min_size=6, max_size=6).map(np.exp)
efficacies = st.tuples(st.floats(0.0, MAX_EFFICACY[0]), st.floats(0.0, MAX_EFFICACY[1]))


def exact_steady_state(rounded: tuple[float, ...]) -> Floats:
    """The steady state near a rounded one, solved for in logarithms."""
    found = root(lambda log: derivative(np.exp(log), NO_DRUGS) / np.exp(log), np.log(rounded))
    assert found.success
    return np.exp(found.x)


def growth_rates(state: Floats) -> Floats:
    """Real parts of the eigenvalues of the linearized model without drugs, per day."""
    step = 1e-6 * np.maximum(np.abs(state), 1.0)
    forward = np.array([derivative(state + step[i] * np.eye(6)[i], NO_DRUGS) for i in range(6)])
    return np.linalg.eigvals(((forward - derivative(state, NO_DRUGS)) / step[:, None]).T).real


def state_after(action: Floats, steps: int) -> Floats:
    """Concentrations after some 5-day steps of one dose."""
    environment = HivEnvironment()
    environment.reset(seed=0)
    return [environment.step(action)[-1]["state"] for _ in range(steps)][-1]


@pytest.mark.parametrize("rounded", [UNHEALTHY, IMMUNE_CONTROLLED])
def test_the_literature_s_infected_steady_states_are_roots_of_the_model_after_rounding(
    rounded: tuple[float, ...],
) -> None:
    exact = exact_steady_state(rounded)
    assert np.abs(exact - rounded).max() < 1.0
    assert_allclose(advance(exact, NO_DRUGS, 200.0), exact, rtol=1e-5)


def test_the_infection_free_state_is_exactly_steady() -> None:
    assert_allclose(derivative(INFECTION_FREE, NO_DRUGS), np.zeros(6), atol=1e-12)
    assert_allclose(advance(INFECTION_FREE, NO_DRUGS, 100.0), INFECTION_FREE, rtol=1e-12, atol=0.0)


def test_without_drugs_only_the_infection_free_state_is_unstable() -> None:
    assert growth_rates(np.array(INFECTION_FREE)).max() > 1.0
    assert growth_rates(exact_steady_state(UNHEALTHY)).max() < 0.0
    assert growth_rates(exact_steady_state(IMMUNE_CONTROLLED)).max() < 0.0


def test_an_untreated_early_infection_ends_in_the_unhealthy_state() -> None:
    assert_allclose(advance(EARLY_INFECTION, NO_DRUGS, 1000.0), exact_steady_state(UNHEALTHY), rtol=1e-3)


@settings(max_examples=40, deadline=None)
@given(state=states, efficacy=efficacies)
def test_concentrations_stay_finite_and_nonnegative(state: Floats, efficacy: tuple[float, float]) -> None:
    after = advance(state, efficacy, 5.0)
    assert np.isfinite(after).all()
    assert after.min() >= 0.0


@settings(max_examples=5, deadline=None)
@given(state=states, efficacy=efficacies)
def test_a_step_agrees_with_an_implicit_method_at_a_tight_tolerance(
    state: Floats, efficacy: tuple[float, float]
) -> None:
    precise = solve_ivp(
        lambda _, y: derivative(np.maximum(y, 0.0), efficacy), (0, 5), state, method="Radau", rtol=1e-11, atol=1e-11
    )
    assert_allclose(advance(state, efficacy, 5.0), precise.y[:, -1], rtol=1e-5, atol=1e-5)


def test_two_half_steps_are_one_step() -> None:
    half = advance(advance(UNHEALTHY, (0.5, 0.2), 2.5), (0.5, 0.2), 2.5)
    assert_allclose(half, advance(UNHEALTHY, (0.5, 0.2), 5.0), rtol=1e-6)


def test_each_term_of_the_model_is_where_the_paper_has_it() -> None:
    """By hand, at round numbers: 4000 infected cells, so that the saturations are 40/41 and 8/9."""
    state = (1e5, 10.0, 3900.0, 100.0, 1000.0, 50.0)
    infections = 0.5 * 8e-7 * 1000 * 1e5, (1 - 0.34 * 0.5) * 1e-4 * 1000 * 10  # 40 and 0.83 a day
    expected = [
        1e4 - 0.01 * 1e5 - infections[0],
        31.98 - 0.01 * 10 - infections[1],
        infections[0] - 0.7 * 3900 - 1e-5 * 50 * 3900,
        infections[1] - 0.7 * 100 - 1e-5 * 50 * 100,
        0.8 * 100 * 0.7 * 4000 - 13 * 1000 - infections[0] - infections[1],
        1 + 0.3 * 40 / 41 * 50 - 0.25 * 8 / 9 * 50 - 0.1 * 50,
    ]
    assert_allclose(derivative(state, (0.5, 0.2)), expected, rtol=1e-12)


@pytest.mark.parametrize("drug", [0, 1])
def test_each_drug_lowers_the_virus_and_spares_healthy_t_cells(drug: int) -> None:
    efficacy = np.eye(2)[drug] * MAX_EFFICACY
    treated, untreated = (advance(UNHEALTHY, drugs, 30.0) for drugs in (efficacy, NO_DRUGS))
    assert treated[V] < 0.9 * untreated[V]
    assert treated[0] > 1.2 * untreated[0]


def test_full_treatment_forever_neither_cures_nor_builds_an_immune_response() -> None:
    """The known dilemma: drugs hold the virus down, but the immune response needs infected cells to grow."""
    state = state_after(FULL_DOSE, 200)
    assert 1e3 < state[V] < 0.25 * UNHEALTHY[V]
    assert state[E] < 1e-3 * IMMUNE_CONTROLLED[E]


def test_reward_is_the_published_formula_at_the_state_after_the_step() -> None:
    assert treatment_reward(UNHEALTHY, (0.7, 0.3), HivConfig(reward_scale=1.0)) == pytest.approx(
        -(0.1 * 63919 + 20000 * 0.49 + 2000 * 0.09 - 1000 * 24)
    )
    environment = HivEnvironment()
    environment.reset(seed=1)
    _, reward, _, _, info = environment.step(np.array([0.5, -0.5]))
    assert reward == pytest.approx(1e-6 * (1000 * info["state"][E] - 0.1 * info["state"][V] - 2e4 * 0.525**2 - 11.25))


def test_actions_span_the_efficacies_and_are_clipped() -> None:
    assert_array_equal(action_to_efficacy(NO_DOSE), [0.0, 0.0])
    assert_allclose(action_to_efficacy(FULL_DOSE), MAX_EFFICACY)
    assert_allclose(action_to_efficacy([0.0, 7.0]), [0.35, 0.3])


def test_observations_are_logarithms_or_leave_virus_and_immune_response_as_they_are() -> None:
    state = np.array(UNHEALTHY)
    assert_allclose(np.exp(observe(state, Observation.LOG_ALL)), state)
    literal = observe(state, Observation.LOG_CELLS)
    assert_allclose(np.exp(literal[:4]), state[:4])
    assert_array_equal(literal[4:], state[4:])


@pytest.mark.parametrize("config", [HivConfig(), HivConfig.mopo(), replace(SHORT, observation=Observation.LOG_CELLS)])
def test_the_environment_passes_gymnasium_s_checker(config: HivConfig) -> None:
    check_env(HivEnvironment(config), skip_render_check=True)


def test_an_episode_is_cut_at_the_horizon_and_never_terminates() -> None:
    environment = HivEnvironment(SHORT)
    environment.reset(seed=0)
    steps = [environment.step(FULL_DOSE) for _ in range(SHORT.horizon)]
    assert [truncated for _, _, _, truncated, _ in steps] == [False, False, False, True]
    assert not any(terminated for _, _, terminated, _, _ in steps)
    assert steps[-1][-1]["day"] == 20.0
    with pytest.raises(InvalidArgumentError, match=r"call reset\(\) first"):
        environment.step(FULL_DOSE)


def test_start_states_lie_around_the_unhealthy_state_and_follow_the_seed() -> None:
    environment = HivEnvironment()
    starts = np.array([environment.reset(seed=seed)[1]["state"] for seed in range(50)])
    deviation = np.log(starts / UNHEALTHY)
    assert np.abs(deviation).max() <= 0.1
    assert (deviation.std(axis=0) > 0.03).all()
    assert_array_equal(environment.reset(seed=7)[1]["state"], starts[7])
    assert not np.array_equal(environment.reset()[1]["state"], starts[7])


def test_mopo_s_task_starts_every_episode_at_the_same_early_infection_and_lasts_400_days() -> None:
    environment = HivEnvironment(HivConfig.mopo())
    for seed in (0, 1):
        assert_array_equal(environment.reset(seed=seed)[1]["state"], EARLY_INFECTION)
    assert environment.config.step_days * environment.config.horizon == 400.0
    assert treatment_reward(EARLY_INFECTION, (0.0, 0.3), environment.config) == pytest.approx(0.01 - 1e-7 - 0.0018)


def test_a_chosen_start_is_kept_and_not_shared() -> None:
    environment, chosen = HivEnvironment(), np.array(IMMUNE_CONTROLLED)
    _, info = environment.reset(options={"state": chosen})
    assert_array_equal(info["state"], IMMUNE_CONTROLLED)
    info["state"][:] = 1.0
    following = environment.step(NO_DOSE)[-1]["state"]
    assert_allclose(following, IMMUNE_CONTROLLED, rtol=0.05)
    assert_array_equal(chosen, IMMUNE_CONTROLLED)


@pytest.mark.parametrize("name", [field.name for field in fields(HivParameters)])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_every_rate_is_checked(name: str, value: float) -> None:
    with pytest.raises(InvalidArgumentError, match=name):
        HivParameters(**{name: value})


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: HivParameters(immune_birth_saturation=0.0), "immune_birth_saturation"),
        (lambda: HivParameters(macrophage_share=1.5), "macrophage_share"),
        (lambda: IntegrationConfig(relative_tolerance=0.0), "relative_tolerance"),
        (lambda: HivConfig(step_days=0.0), "step_days"),
        (lambda: HivConfig(horizon=0), "horizon"),
        (lambda: HivConfig(start=INFECTION_FREE), "start"),
        (lambda: HivConfig(start=(1.0, 2.0)), "start"),
        (lambda: HivConfig(start_spread=-0.1), "start_spread"),
        (lambda: HivConfig(virus_cost=float("nan")), "virus_cost"),
        (lambda: HivConfig(reward_scale=-1.0), "reward_scale"),
        (lambda: advance(UNHEALTHY, (1.2, 0.0), 5.0), "efficacy"),
        (lambda: advance(UNHEALTHY, NO_DRUGS, 0.0), "days"),
        (lambda: derivative((-1.0, 1, 1, 1, 1, 1), NO_DRUGS), "state"),
        (lambda: derivative(UNHEALTHY, (0.1,)), "efficacy"),
        (lambda: action_to_efficacy([0.0]), "action"),
        (lambda: action_to_efficacy([0.0, float("nan")]), "action"),
        (lambda: HivEnvironment().reset(options={"start": 1}), "reset options"),
        (lambda: HivEnvironment().reset(options={"state": INFECTION_FREE}), "reset option 'state'"),
        (lambda: HivEnvironment().step(NO_DOSE), "reset"),
    ],
)
def test_mistakes_are_named_in_one_line(build: Any, named: str) -> None:
    with pytest.raises(AmplError, match=named) as caught:
        build()
    assert "\n" not in str(caught.value)


def test_an_overflow_is_an_error_and_no_endless_loop() -> None:
    with pytest.raises(NotConvergedError, match="overflow"):
        advance(np.full(6, 1e300), NO_DRUGS, 5.0)


def test_an_integration_without_end_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamics, "MAX_EVALUATIONS", 50)
    with pytest.raises(NotConvergedError, match="50 evaluations"):
        advance(UNHEALTHY, (0.7, 0.3), 5.0)


@pytest.mark.parametrize("end", [-1e3, float("nan")])
def test_an_impossible_result_of_the_integrator_is_an_error(monkeypatch: pytest.MonkeyPatch, end: float) -> None:
    class Solution:
        success, y = True, np.full((6, 1), end)

    monkeypatch.setattr(dynamics, "solve_ivp", lambda *_, **__: Solution())
    with pytest.raises(NotConvergedError, match="expected finite numbers >= 0"):
        advance(UNHEALTHY, NO_DRUGS, 5.0)


def test_a_failure_of_the_integrator_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Solution:
        success, message = False, "step size too small."

    monkeypatch.setattr(dynamics, "solve_ivp", lambda *_, **__: Solution())
    with pytest.raises(NotConvergedError, match="step size too small"):
        advance(UNHEALTHY, NO_DRUGS, 5.0)
