"""The tasks lqr-...: their data, their scores, and the simulator that is the problem's own dynamics."""

import json
from dataclasses import replace

import gymnasium
import numpy as np
import pytest

from ampl.catalog import choose
from ampl.errors import AmplError
from continuous.algorithms.build import describe
from continuous.data.d4rl_data import Source
from continuous.data.linear_gaussian_data import sampled_data
from continuous.environments.registry import environment_for, simulator_maker
from continuous.linear_gaussian.mixtures import episode_law, occupancy
from continuous.linear_gaussian.problem import AffineGaussianPolicy
from continuous.linear_gaussian.returns import return_of_episodes
from continuous.linear_gaussian.tasks import EPISODE_LENGTH, find_linear_gaussian
from continuous.linear_gaussian.weights import SecondMoment, second_moment
from continuous.tasks.find import LINEAR_GAUSSIAN_NAMES, find_task
from continuous.tasks.scores import normalize_score
from tests.continuous.linear_gaussian.monte_carlo import assert_mean


@pytest.mark.parametrize("name", [*LINEAR_GAUSSIAN_NAMES, "lqr-random-6-3"])
def test_data_stay_among_the_actions_of_squashed_policies_and_cover_a_noisy_optimum_or_not(name: str) -> None:
    task = find_linear_gaussian(name)
    data = sampled_data(find_task(name))
    assert data.provenance is not None
    assert data.provenance.source is Source.SAMPLED
    assert np.abs(data.actions).max() <= 1.0
    assert data.timeouts.sum() == 200
    noisy = replace(task.optimum, covariance=0.005 * np.eye(task.optimum.action_size))
    data_law = episode_law(task.mdp, task.behavior, EPISODE_LENGTH)
    covered = not name.endswith(("-far", "-narrow"))
    expected = SecondMoment.FINITE if covered else SecondMoment.INFINITE
    assert second_moment(occupancy(task.mdp, noisy), data_law) is expected
    assert_mean(
        data.rewards[::97].astype(float),
        float(data_law.shares @ task.mdp.reward.expectation(data_law.means, data_law.covariances)),
    )


def test_a_coverage_is_how_much_of_the_optimal_gain_and_of_the_noise_the_data_have() -> None:
    """Written out: all of the optimal gain and noise of standard deviation 0.2 are 1."""
    optimum = find_linear_gaussian("lqr-pointmass").optimum.gain
    for coverage, gain, noise in (("", 0.5, 0.2), ("-near", 0.75, 0.2), ("-far", 0.25, 0.2), ("-narrow", 0.5, 0.1)):
        for name in (f"lqr-pointmass{coverage}", f"lqr-pointmass{coverage}-bounded"):
            behavior = find_linear_gaussian(name).behavior
            np.testing.assert_allclose(behavior.gain, gain * optimum)
            np.testing.assert_allclose(behavior.covariance, [[noise**2]])


def test_a_run_s_config_has_the_constants_of_behavior_and_optimum() -> None:
    task, found = find_task("lqr-random-4-2-near"), find_linear_gaussian("lqr-random-4-2-near")
    described = describe(sampled_data(task), task, 20_000)
    for name, policy, score in (("behavior", found.behavior, 0.0), ("optimum", found.optimum, 100.0)):
        kept = json.loads(json.dumps(described[name]))
        for what in ("gain", "offset", "covariance"):
            np.testing.assert_allclose(kept[what], getattr(policy, what), atol=1e-9)
        assert (
            normalize_score(task, np.array(kept["episode_return"])) == pytest.approx(score, abs=1e-5) == kept["score"]
        )
        assert kept["episode_return"] == pytest.approx(return_of_episodes(found.mdp, policy, EPISODE_LENGTH))


def test_the_same_seed_gives_the_same_bytes_and_another_one_others() -> None:
    task = find_task("lqr-pointmass")
    first, again, other = (sampled_data(task, seed).observations.tobytes() for seed in (0, 0, 1))
    assert first == again != other


@pytest.mark.parametrize("name", LINEAR_GAUSSIAN_NAMES[::2])
def test_the_simulator_earns_what_the_formulas_say_so_the_behavior_scores_0_and_the_optimum_100(name: str) -> None:
    task, found = find_task(name), find_linear_gaussian(name)
    for policy, score in ((found.behavior, 0.0), (found.optimum, 100.0)):
        simulator = simulator_maker(task)()
        generators = [np.random.default_rng([7, episode]) for episode in range(1500)]
        states, returns, acting = simulator.reset(generators), np.zeros(1500), np.random.default_rng(8)
        for _ in range(simulator.episode_limit):
            step = simulator.step(policy.act(states, acting))
            states, returns = step.observations, returns + step.rewards
        assert_mean(returns, return_of_episodes(found.mdp, policy, EPISODE_LENGTH))
        assert_mean(normalize_score(task, returns), score)


def test_the_environment_is_the_simulator_with_one_episode() -> None:
    task = find_task("lqr-random-3-2")
    environment, simulator = environment_for(task), simulator_maker(task)()
    state, _ = environment.reset(seed=5)
    np.testing.assert_array_equal(simulator.reset([gymnasium.utils.seeding.np_random(5)[0]])[0], state)
    actions = np.random.default_rng(0).uniform(-1.0, 1.0, (EPISODE_LENGTH, 2))
    for number, action in enumerate(actions, start=1):
        step = simulator.step(action[None])
        state, reward, terminated, truncated, _ = environment.step(action)
        np.testing.assert_array_equal(step.observations[0], state)
        assert (reward, terminated, truncated) == (step.rewards[0], False, number == EPISODE_LENGTH)
    with pytest.raises(AmplError, match="call reset"):
        environment.step(actions[0])


def test_an_action_beyond_one_is_not_clipped() -> None:
    """The problem is linear in every action; squashed policies never make one of these."""
    task = find_linear_gaussian("lqr-pointmass")
    simulator = simulator_maker(find_task(task.name))()
    before = simulator.reset([np.random.default_rng(0)])
    after = simulator.step(np.array([[3.0]]))
    twin = np.random.default_rng(0)
    twin.standard_normal(2)
    noise = twin.standard_normal(2) * np.sqrt(np.diag(task.mdp.dynamics.covariance))
    expected = task.mdp.dynamics.next_mean(np.hstack((before, [[3.0]])))
    np.testing.assert_allclose(np.sort(np.abs(after.observations - expected)), np.sort(np.abs(noise))[None], rtol=1e-9)


def test_a_bounded_task_has_rewards_in_zero_to_one_and_keeps_the_quadratic_optimum_as_its_reference() -> None:
    bounded, quadratic = (find_linear_gaussian(name) for name in ("lqr-pointmass-bounded", "lqr-pointmass"))
    rewards = bounded.episodes().rewards
    assert 0.0 < rewards.min() <= rewards.max() <= 1.0
    np.testing.assert_array_equal(bounded.optimum.gain, quadratic.optimum.gain)


def test_a_task_of_any_size_is_found_by_name() -> None:
    assert choose("damo", "lqr-random-3-2-bounded", None).problem.observation_size == 3


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("lqr-cartpole", "no linear-Gaussian task; expected lqr-pointmass, lqr-pointmass-2d or lqr-random-D-A"),
        ("lqr-pointmass-wide", "then -near, -far, -narrow or nothing, then -bounded or nothing"),
        ("lqr-pointmass-bounded-near", "then -near, -far, -narrow or nothing, then -bounded or nothing"),
        ("lqr-random-0-1", "no linear-Gaussian task"),
        ("lqr-random-04-2", "no linear-Gaussian task"),
        ("lqr-random-9-1", r"expected at least 1 and at most \(8, 4\)"),
    ],
)
def test_a_name_that_is_none_is_refused(name: str, said: str) -> None:
    with pytest.raises(AmplError, match=said):
        find_task(name)


def test_a_zero_policy_of_other_sizes_is_refused() -> None:
    task = find_linear_gaussian("lqr-pointmass")
    with pytest.raises(AmplError, match="gain of the policy has shape"):
        return_of_episodes(task.mdp, AffineGaussianPolicy(np.zeros((2, 2)), np.zeros(2), np.eye(2)), 3)
