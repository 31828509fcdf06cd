"""The deep components on a finite problem, with one-hot inputs, against the exact quantities of the tabular wing."""

import numpy as np
import pytest
import torch

from ampl.finite_problem import FiniteProblem
from continuous.algorithms.ampl.critic import CriticConfig, TwinCritic
from continuous.algorithms.ampl.discriminator import Discriminator, Pairs, RegularizerConfig, raw_action
from continuous.experiments.finite import TableCritic, TablePolicy, all_pairs, encoded, lookup_network, transition_table
from continuous.model.ensemble import DynamicsConfig, EnsembleDynamics, reward_bound, state_bound
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import TransitionTable
from continuous.tasks.termination import never, of_next_state
from tabular.exact.dynamics import aggregate_states, maximum_likelihood
from tabular.exact.occupancy import action_value
from tabular.experiments.finite_problem import finite_problem
from tabular.mdps.mdp import FiniteMDP


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def small(n_transitions: int = 2000) -> FiniteProblem:
    return finite_problem(0, n_states=4, n_actions=2, n_transitions=n_transitions, n_policies=3, discount=0.8)


def transition_counts(problem: FiniteProblem) -> np.ndarray:
    """N(s, a, s'), [S, A, S']."""
    counts = np.zeros((problem.n_states, problem.n_actions, problem.n_states))
    np.add.at(counts, (problem.state, problem.action, problem.next_state), 1.0)
    return counts


def test_a_lookup_network_returns_its_table_at_every_pair_and_seed() -> None:
    problem = small()
    state, action = all_pairs(4, 2)
    for network in (
        lookup_network(problem.action_values[1], 3),
        TableCritic(problem.action_values[1], 3).first_head(),
        TableCritic(problem.action_values[1], 3).first_head_target(),
    ):
        found = network(torch.cat((state, action), dim=-1))[..., 0]
        assert found.shape == (3, 8)
        torch.testing.assert_close(found, torch.tensor(problem.action_values[1]).float().reshape(1, 8).expand(3, 8))


def test_the_encoded_data_are_the_data() -> None:
    problem = small(200)
    table = transition_table(problem)
    for found, expected in (
        (table.state, problem.state),
        (table.action, problem.action),
        (table.next_state, problem.next_state),
        (table.start_state, problem.start_state),
    ):
        np.testing.assert_array_equal(found.sum(dim=1), 1.0)
        np.testing.assert_array_equal(found.argmax(dim=1), expected)
    np.testing.assert_allclose(table.reward, problem.reward, rtol=1e-6)
    assert not table.terminal.any()


def test_a_table_policy_draws_actions_with_the_table_s_frequencies() -> None:
    table = np.array([[0.2, 0.5, 0.3], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    policy = TablePolicy(table, 2)
    state = torch.eye(3).repeat_interleave(20_000, dim=0).expand(2, -1, -1)
    action, raw = policy.sample(state, policy.noise(SeedStreams([0, 1], "policy"), 60_000))
    share = action.view(2, 3, 20_000, 3).mean(dim=2)
    np.testing.assert_allclose(share, np.broadcast_to(table, (2, 3, 3)), atol=0.015)
    assert (share[:, table == 0.0] == 0.0).all()
    assert not torch.equal(action[0], action[1])
    torch.testing.assert_close(raw.tanh(), action, atol=1e-6, rtol=0.0)
    torch.testing.assert_close(policy.act(state, SeedStreams([0, 1], "policy")), action)


@pytest.mark.parametrize("lower_share", [0.75, 1.0])
def test_the_critic_converges_to_the_exact_value_in_the_empirical_mdp(lower_share: float) -> None:
    """Within 0.5 % of the largest value, both twins; next actions are enumerated, so that no expectation is sampled."""
    problem = small(500)
    policy = np.array([[0.75, 0.25], [0.5, 0.5], [0.0, 1.0], [0.25, 0.75]])
    empirical = FiniteMDP(
        maximum_likelihood(transition_counts(problem)), problem.reward_table, problem.initial, problem.discount
    )
    exact = action_value(empirical, policy)

    config = CriticConfig(
        lower_share=lower_share,
        learning_rate=3e-3,
        target_rate=0.1,
        gradient_norm=float("inf"),
        hidden=(32,),
    )
    critic = TwinCritic(4, 2, config, [0, 1], discount=problem.discount)
    table = transition_table(problem)
    batch = table.gather(torch.arange(500).repeat_interleave(4).expand(2, -1))  # each row with four next actions
    quarter = torch.tensor((np.arange(4) >= 4 * policy[problem.next_state][:, :1]).ravel().astype(np.int64))
    next_action = torch.nn.functional.one_hot(quarter, 2).float().expand(2, -1, -1)
    for _ in range(1200):
        critic.update(batch, next_action)
        critic.follow()

    state, action = (rows.expand(2, -1, -1) for rows in all_pairs(4, 2))
    found = critic.action_value(state, action).detach().numpy()  # [K, twins, S*A]
    error = np.abs(found - exact.ravel()).max()
    assert error < 5e-3 * exact.max()
    assert np.abs(found[:, 0] - found[:, 1]).max() < 5e-3 * exact.max()
    wrong = action_value(empirical, policy[:, ::-1])
    assert np.abs(wrong - exact).max() > 0.02 * exact.max()  # another policy's value would have been told apart


@pytest.mark.parametrize(("smallest_label", "share"), [(1.0, 1.0), (0.8, 0.9)])
def test_the_discriminator_reaches_its_optimum(smallest_label: float, share: float) -> None:
    """p / (p + q) within 0.01 without label smoothing; with labels uniform in [0.8, 1) the mean label times p."""
    generator = np.random.default_rng(0)
    true, fake = 0.5 * generator.dirichlet(np.ones(8), size=2) + 0.5 / 8
    size = 4000
    drawn = [generator.choice(8, size=size, p=probability) for probability in (true, fake)]
    state, action = all_pairs(4, 2)
    every = torch.cat((state, raw_action(action)), dim=-1)
    ones = torch.ones(2, size)
    pairs = [Pairs(pair=every[index].expand(2, -1, -1), weight=ones, present=ones.bool()) for index in drawn]
    config = RegularizerConfig(smallest_true_label=smallest_label, learning_rate=3e-3, betas=(0.9, 0.999), hidden=(16,))
    discriminator = Discriminator(4, 2, config, [0, 1])
    labels = SeedStreams([0, 1], "labels")
    for _ in range(800):
        logits = [discriminator.logits(each) for each in pairs]
        loss = discriminator.discriminator_loss(logits[0], pairs[0], logits[1], pairs[1], labels.uniform(size))
        discriminator.step(discriminator.network.gradient(loss.sum()))

    counts = [np.bincount(index, minlength=8) for index in drawn]
    found = torch.sigmoid(discriminator.network(every)[..., 0]).detach().numpy()
    np.testing.assert_allclose(found, np.tile(share * counts[0] / (counts[0] + counts[1]), (2, 1)), atol=0.01)


def fitted_means(
    table: TransitionTable, weights: torch.Tensor | None, inputs: list[torch.Tensor]
) -> tuple[np.ndarray, ...]:
    """Rewards [n] and next states [n, S] that a fitted model expects at states and actions [n, ...]: members' mean."""
    config = DynamicsConfig(
        members=3, elites=3, hidden=32, layers=1, weight_decay=(0.0,), head_weight_decay=0.0,
        batch_size=512, steps_per_look=100, max_steps=2000, improvement=0.0, holdout_share=0.02,
        lower_log_std=-2.0,  # where an entry never changes, a smaller spread would drown the other entries
    )  # fmt: skip
    model = EnsembleDynamics(
        table.observation_size, table.action_size, config, [0], termination=of_next_state(never),
        state_bound=state_bound(table), reward_bound=reward_bound(table),
    )  # fmt: skip
    model.fit(table, weights, SeedStreams([0], "fit"))
    with torch.no_grad():
        mean = model.network(model.standardization.inputs(*inputs).expand(1, 1, -1, -1))[0].mean(dim=1)[0]
    return model.standardization.reward(mean).numpy(), model.standardization.next_state(inputs[0], mean).numpy()


def test_the_fitted_mean_is_the_empirical_reward_and_row_of_each_pair() -> None:
    """Within 0.025 of every entry of the empirical P and 0.01 of every reward."""
    problem = small(20_000)
    reward, next_state = fitted_means(transition_table(problem), None, list(all_pairs(4, 2)))
    rows = maximum_likelihood(transition_counts(problem)).reshape(8, 4)
    np.testing.assert_allclose(next_state, rows, atol=0.025)
    np.testing.assert_allclose(reward, problem.reward_table.ravel(), atol=0.01)


def test_where_pairs_are_tied_weights_move_the_fit_as_weighted_maximum_likelihood_says() -> None:
    """Inputs tell only which half of the states s is in; weights favor one state of each half.  AMPL, Eq. 6."""
    problem = small(20_000)
    weights = np.array([[0.1], [2.0], [2.0], [0.1]]) * np.array([1.0, 0.5])
    cells = aggregate_states(4, 2, 2)  # states {0, 1} and {2, 3} share rows, action by action
    tied = transition_table(problem).changed(state=encoded(problem.state // 2, 4))
    rows = torch.tensor(weights[problem.state, problem.action], dtype=torch.float32)[None]
    state, action = all_pairs(2, 2)
    inputs = [torch.nn.functional.pad(state, (0, 2)), action]
    counts = transition_counts(problem)
    plain, weighted = (maximum_likelihood(counts, given, cells)[::2].reshape(4, 4) for given in (None, weights))
    assert np.abs(plain - weighted).max() > 0.15  # the weights matter
    np.testing.assert_allclose(fitted_means(tied, None, inputs)[1], plain, atol=0.03)
    np.testing.assert_allclose(fitted_means(tied, rows, inputs)[1], weighted, atol=0.03)
