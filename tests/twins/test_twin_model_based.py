"""Soft actor-critic, DAMO's critic and its classifier on finite problems, against the exact wing and integrals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from continuous.algorithms.damo.classifier import ClassifierConfig, TransitionClassifier
from continuous.algorithms.damo.learner import Conjugate, DAMODraws, DAMOLearner, DAMOLearnerConfig
from continuous.algorithms.sac.learner import SoftActorCritic, SoftActorCriticConfig
from continuous.algorithms.sac.policy import SquashedGaussianConfig
from continuous.experiments.finite import encoded
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import Batch
from tabular.alignment.inner_minimum import inner_minimum, inner_minimum_closed_form
from tabular.alignment.transition_support import TransitionOccupancies, TransitionSupport
from tabular.bounds.divergences import ChiSquared, Cubic, Divergence
from tabular.exact.policy import deterministic_policy, uniform_policy
from tabular.mdps.generators import random_mdp

S, A = 3, 2


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def rows_of(mass: np.ndarray, count: int) -> np.ndarray:
    """Indices repeated in proportion to their mass, about `count` of them."""
    return np.repeat(np.arange(len(mass)), np.round(mass * count).astype(int))


def finite_occupancies() -> TransitionOccupancies:
    generator = np.random.default_rng(3)
    mdp = random_mdp(S, A, generator, discount=0.7)
    other = generator.dirichlet(np.ones(S), (S, A))
    model = mdp.with_dynamics(0.7 * mdp.to_dense().dynamics + 0.3 * other)
    support = TransitionSupport(mdp, model, uniform_policy(mdp))
    return support.occupancies(deterministic_policy(np.array([0, 1, 0]), A))


def batch_of(occupancies: TransitionOccupancies, mass: np.ndarray, count: int) -> tuple[Batch, np.ndarray]:
    """One-hot transitions in proportion to a mass over the support, and which entry each row is."""
    support = occupancies.support
    index = rows_of(mass, count)
    pair = support.pair[index]
    return (
        Batch(
            state=encoded(pair // A, S)[None],
            action=encoded(pair % A, A)[None],
            reward=torch.tensor(support.reward[index], dtype=torch.float32)[None],
            next_state=encoded(support.next_state[index], S)[None],
            terminal=torch.zeros(1, len(index), dtype=torch.bool),
        ),
        index,
    )


class DeterministicPolicy(nn.Module):
    """One action a state, one-hot, in place of a Gaussian."""

    def __init__(self, actions: np.ndarray) -> None:
        super().__init__()
        self._table = encoded(actions, A)

    def sample(self, state: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        action = state @ self._table
        return action, action

    def sample_with_log_probability(self, state: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        return state @ self._table, torch.zeros(state.shape[:-1])


ALPHA = 0.5
EXACT: dict[Conjugate, Divergence] = {
    Conjugate.TWO_SIDED: Cubic(),  # the same minimum: there no residual is negative
    Conjugate.ONE_SIDED: Cubic(),
    Conjugate.CHI_SQUARED: ChiSquared(),
}


class TrainedCritic:
    """DAMO's critic after training on the model's own transitions, R given exactly.

    Attributes:
        index: [N] the transition of the support that each row of the batch is.
        objective: of each twin.
        value: [N] the twins' mean at the batch.
        slope: [N] derivative of f* at the scaled residuals, with its sign.
        start: (1 - gamma) E Q(s0, pi).
    """

    def __init__(self, conjugate: Conjugate, *, detaches_target: bool, data_alignment: bool) -> None:
        occupancies = finite_occupancies()
        sac = SoftActorCriticConfig(
            discount=occupancies.support.mdp.discount, hidden=(32,), critic_learning_rate=1e-2,
            highest_temperature=0.0, target_rate=0.02, policy=SquashedGaussianConfig(hidden=(4,)),
        )  # fmt: skip
        config = DAMOLearnerConfig(
            alpha=ALPHA,
            conjugate=conjugate,
            detaches_target=detaches_target,
            data_alignment=data_alignment,
            learner=sac,
        )
        learner = DAMOLearner(S, A, config, [0])
        learner.policy = DeterministicPolicy(np.array([0, 1, 0]))  # type: ignore[assignment]
        batch, self.index = batch_of(occupancies, occupancies.model, 1000)
        log_ratio = torch.tensor(occupancies.log_ratio()[self.index], dtype=torch.float32)[None]
        learner.classifier.log_ratio = lambda rows: log_ratio  # type: ignore[method-assign]
        starts = encoded(rows_of(occupancies.support.mdp.initial, 1000), S)[None]
        none = torch.zeros(1, len(self.index), A)
        draws = DAMODraws(
            batch=batch, real=batch, imagined=batch, start_state=starts, noise=none, next_noise=none, start_noise=none
        )
        aligned = learner.aligned(batch)
        for rate, steps in ((1e-2, 1500), (1e-3, 500)):
            learner.critic_optimizer._learning_rate = rate
            for _ in range(steps):
                learner.update_dual_critics(aligned, draws)
                learner.critic_target.follow(learner.critic_online, sac.target_rate)
        self.objective = learner.dual_objective(aligned, draws)[0].detach()
        value = learner.action_value(batch.state, batch.action)[0].detach().mean(0)
        residual = (learner._target(aligned, draws.next_noise)[0].detach().mean(0) - value) / ALPHA
        self.slope = (residual.sign() * residual.abs().sqrt()).numpy()
        self.value = value.numpy()
        start_value = learner.action_value(starts, learner.policy.sample(starts, none)[0]).detach().mean()
        self.start = (1.0 - sac.discount) * float(start_value)


@pytest.mark.parametrize("data_alignment", [False, True])
@pytest.mark.parametrize("conjugate", Conjugate)
def test_damos_critic_reaches_the_exact_inner_minimum(conjugate: Conjugate, data_alignment: bool) -> None:
    """Eq. 2 without target networks on the model's own transitions: value to 0.01, Q to 0.05."""
    occupancies = finite_occupancies()
    exact = inner_minimum(occupancies, ALPHA, EXACT[conjugate], data_alignment=data_alignment)
    if conjugate is Conjugate.CHI_SQUARED:
        closed = inner_minimum_closed_form(occupancies, ALPHA, data_alignment=data_alignment)
        assert closed.value == pytest.approx(exact.value, abs=1e-6)
    found = TrainedCritic(conjugate, detaches_target=False, data_alignment=data_alignment)
    assert found.objective.tolist() == pytest.approx([exact.value] * 2, abs=0.01)
    pair = occupancies.support.pair[found.index]
    np.testing.assert_allclose(found.value, exact.action_value.ravel()[pair], atol=0.05)


def test_with_target_networks_the_critic_stands_where_its_own_slope_vanishes_above_the_minimum() -> None:
    """The setting that is trained by default: (1-gamma) mu0 pi = rho_M E f*' at each pair, to 0.02, without the flow.

    Its start value is -0.94 here, the exact minimizer's -1.35.
    """
    occupancies = finite_occupancies()
    found = TrainedCritic(Conjugate.TWO_SIDED, detaches_target=True, data_alignment=True)
    support = occupancies.support
    starts = (1.0 - support.mdp.discount) * (support.mdp.initial[:, None] * occupancies.policy).ravel()
    pair = support.pair[found.index]
    pushed = np.bincount(pair, found.slope, S * A) / len(pair)
    np.testing.assert_allclose(pushed, starts, atol=0.02)
    exact = inner_minimum(occupancies, ALPHA, Cubic()).action_value
    exact_start = (1.0 - support.mdp.discount) * float(support.mdp.initial @ (occupancies.policy * exact).sum(1))
    assert (found.start, exact_start) == pytest.approx((-0.94, -1.35), abs=0.02)


def test_the_classifier_gives_the_exact_log_ratio() -> None:
    occupancies = finite_occupancies()
    real, _ = batch_of(occupancies, occupancies.data, 2000)
    imagined, index = batch_of(occupancies, occupancies.model, 2000)
    config = ClassifierConfig(hidden=(32,), learning_rate=1e-2, log_ratio_clip=50.0)
    classifier = TransitionClassifier(S, A, config, [0])
    for _ in range(600):
        classifier.update(real, imagined)
    exact = occupancies.log_ratio()[index]
    assert exact.std() > 0.3
    np.testing.assert_allclose(classifier.log_ratio(imagined)[0].numpy(), exact, atol=0.1)


def test_the_log_ratio_is_clipped_where_the_settings_say() -> None:
    classifier = TransitionClassifier(S, A, ClassifierConfig(hidden=(8,), log_ratio_clip=0.01), [0])
    batch, _ = batch_of(finite_occupancies(), finite_occupancies().model, 100)
    assert float(classifier.log_ratio(batch).abs().max()) <= 0.01


def test_soft_actor_critics_critic_is_the_soft_action_value_of_its_policy() -> None:
    """Two states, actions in [-1, 1]: against soft policy evaluation by quadrature, to 0.1.

    The smaller twin in the target pulls it a little low.
    """
    temperature, discount = 0.2, 0.6
    config = SoftActorCriticConfig(
        discount=discount, target_rate=0.05, critic_learning_rate=3e-3, policy_learning_rate=0.0,
        temperature_learning_rate=0.0, initial_log_temperature=float(np.log(temperature)), hidden=(32, 32),
        policy=SquashedGaussianConfig(hidden=(8,)),
    )  # fmt: skip
    sac = SoftActorCritic(2, 1, config, [0])
    streams = SeedStreams([0], "updates")

    def reward(state: Tensor, action: Tensor) -> Tensor:
        return state[..., 0] - (action[..., 0] - 0.5 * state[..., 1]).square()

    for _ in range(2500):
        state = encoded(np.asarray(streams.integers(2, 256)[0]), 2)[None]
        action = 2.0 * streams.uniform(256, 1) - 1.0
        following = encoded(np.asarray(streams.integers(2, 256)[0]), 2)[None]  # the next state is a fair coin
        batch = Batch(
            state=state, action=action, reward=reward(state, action), next_state=following,
            terminal=torch.zeros(1, 256, dtype=torch.bool),
        )  # fmt: skip
        sac.update(batch, streams.normal(256, 1), streams.normal(256, 1))

    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    noise = torch.tensor(nodes, dtype=torch.float32)[None, :, None]
    soft = []
    for index in range(2):  # E[r - temperature log pi] of each state
        state = encoded(np.full(40, index), 2)[None]
        action, log_probability = sac.policy.sample_with_log_probability(state, noise)
        values = (reward(state, action) - temperature * log_probability)[0].detach().numpy()
        soft.append(float(values @ weights / weights.sum()))
    future = discount * float(np.mean(soft)) / (1.0 - discount)  # E[V] = mean soft / (1 - discount) at every pair
    grid = torch.linspace(-0.9, 0.9, 13)[None, :, None]
    for index in range(2):
        state = encoded(np.full(13, index), 2)[None]
        found = sac.action_value(state, grid).detach().mean(1)[0]
        np.testing.assert_allclose(found, (reward(state, grid)[0] + future).numpy(), atol=0.1)


def test_soft_actor_critics_policy_is_the_soft_improvement_of_its_critic() -> None:
    """Without a future: the mean action follows the Boltzmann policy's, to 0.05."""
    temperature = 0.1
    config = SoftActorCriticConfig(
        discount=0.0, critic_learning_rate=3e-3, policy_learning_rate=3e-3, temperature_learning_rate=0.0,
        initial_log_temperature=float(np.log(temperature)), hidden=(32, 32),
        policy=SquashedGaussianConfig(hidden=(16,)),
    )  # fmt: skip
    sac = SoftActorCritic(2, 1, config, [0])
    streams = SeedStreams([0], "updates")
    best = torch.tensor([-0.4, 0.3])
    for _ in range(2000):
        state = encoded(np.asarray(streams.integers(2, 256)[0]), 2)[None]
        action = 2.0 * streams.uniform(256, 1) - 1.0
        batch = Batch(
            state=state, action=action, reward=-(action[..., 0] - state @ best).square(), next_state=state,
            terminal=torch.zeros(1, 256, dtype=torch.bool),
        )  # fmt: skip
        sac.update(batch, streams.normal(256, 1), streams.normal(256, 1))
    grid = np.linspace(-1.0, 1.0, 4001)
    for index in range(2):
        density = np.exp(-((grid - float(best[index])) ** 2) / temperature)
        boltzmann = float((grid * density).sum() / density.sum())
        state = encoded(np.full(4096, index), 2)[None]
        found = sac.policy.sample(state, streams.normal(4096, 1))[0].mean().item()
        assert found == pytest.approx(boltzmann, abs=0.05)
