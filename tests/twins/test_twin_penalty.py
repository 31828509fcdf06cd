"""MOPO's penalties on a finite problem with one-hot inputs: u by hand at every pair, and the exact penalized MDP."""

import numpy as np
import pytest
import torch
from torch import Tensor

from ampl.finite_problem import FiniteProblem
from continuous.algorithms.mopo.penalties import PenalizedModel, Penalty
from continuous.experiments.finite import all_pairs, transition_table
from continuous.model.ensemble import DynamicsConfig, EnsembleDynamics
from continuous.networks.streams import SeedStreams
from continuous.tasks.termination import never, of_next_state
from tabular.bounds.penalized_mdp import penalized_mdp
from tabular.experiments.finite_problem import finite_problem
from tabular.mdps.mdp import FiniteMDP
from tabular.types import Floats

S, A = 4, 2
SEEDS, ELITES = (0, 1), 3
PROBLEM: FiniteProblem = finite_problem(0, n_states=S, n_actions=A, n_transitions=300, n_policies=2, discount=0.8)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module", params=[False, True], ids=["targets as they are", "standardized targets"])
def model(request: pytest.FixtureRequest) -> EnsembleDynamics:
    """Two seeds' ensembles of five members, fitted to 300 transitions."""
    config = DynamicsConfig(
        members=5, elites=ELITES, hidden=16, layers=1, weight_decay=(0.0,), batch_size=32, steps_per_look=100,
        max_steps=300, standardizes_targets=request.param,
    )  # fmt: skip
    unbounded = torch.full((S,), torch.inf)
    ensemble = EnsembleDynamics(
        S, A, config, SEEDS, termination=of_next_state(never), state_bound=unbounded, reward_bound=unbounded[0]
    )
    ensemble.fit(transition_table(PROBLEM), None, SeedStreams(SEEDS, "fit"))
    return ensemble


def heads(model: EnsembleDynamics) -> tuple[Floats, Floats]:
    """Mean and standard deviation of (r, s' - s) at every pair, [K, E, S*A, S + 1], in the data's units.

    By hand from the members' last layers: their bounds are soft, and their inputs and targets were standardized.
    """
    scale = {name: value.double().numpy() for name, value in model.standardization.state_dict().items()}
    pairs = (torch.cat(all_pairs(S, A), dim=1).numpy() - scale["input_mean"]) / scale["input_std"]
    with torch.no_grad():
        out = model.network.members(torch.tensor(pairs, dtype=torch.float32)).double().numpy()
    bounds = model.network.bounds.views
    lower, upper = (bounds[name].detach().double().numpy()[:, None, None] for name in ("lower", "upper"))
    log_std = upper - np.logaddexp(0.0, upper - out[..., S + 1 :])
    log_std = lower + np.logaddexp(0.0, log_std - lower)
    return scale["target_mean"] + scale["target_std"] * out[..., : S + 1], scale["target_std"] * np.exp(log_std)


def of_elites(model: EnsembleDynamics, rows: Floats) -> Floats:
    """The elites among all members: [K, E, ...] to [K, elites, ...]."""
    return np.stack([rows[seed, model.elites[seed].numpy()] for seed in range(len(SEEDS))])


def error_of_elites(model: EnsembleDynamics) -> Floats:
    """|T_hat(s, a) - P(. | s, a)| of each elite at every pair, [K, elites, S*A]."""
    change = of_elites(model, heads(model)[0])[..., 1:]
    before = np.repeat(np.eye(S), A, axis=0)
    return np.asarray(np.linalg.norm(before + change - PROBLEM.dynamics.reshape(S * A, S), axis=-1))


def by_hand(model: EnsembleDynamics) -> dict[Penalty, Floats]:
    """u by its definition at every pair, [K, S*A]."""
    mean, std = heads(model)
    spread = np.sqrt((std**2).sum(-1))  # [K, E, S*A]
    change = mean[..., 1:]
    distance = np.sqrt(((change - change.mean(1, keepdims=True)) ** 2).sum(-1))
    return {
        Penalty.MAX_STD: spread.max(1),
        Penalty.MEAN_STD: spread.mean(1),
        Penalty.DISAGREEMENT: distance.max(1),
        Penalty.TRUE_ERROR: error_of_elites(model).mean(1),
        Penalty.NONE: np.zeros((len(SEEDS), S * A)),
    }


def expected_next_state(state: Tensor, action: Tensor) -> Tensor:
    """T of the finite problem: P(. | s, a), the mean of the one-hot next state."""
    return torch.einsum("kbs,kba,sat->kbt", state, action, torch.tensor(PROBLEM.dynamics, dtype=torch.float32))


def penalized(model: EnsembleDynamics, penalty: Penalty, weight: float) -> PenalizedModel:
    return PenalizedModel(model, penalty, weight, expected_next_state)


def pairs_of_seeds(repeats: int = 1) -> tuple[Tensor, Tensor]:
    """Every pair `repeats` times in a row, for each seed."""
    state, action = (rows.repeat_interleave(repeats, 0).expand(len(SEEDS), -1, -1) for rows in all_pairs(S, A))
    return state, action


def test_each_uncertainty_is_its_definition_at_every_pair(model: EnsembleDynamics) -> None:
    """To float accuracy, 1e-5 of u. Definitions differ by a hundred times that at least."""
    expected = by_hand(model)
    for penalty in (Penalty.MAX_STD, Penalty.MEAN_STD, Penalty.DISAGREEMENT):
        found = penalized(model, penalty, 1.0).uncertainty(*pairs_of_seeds()).detach()
        np.testing.assert_allclose(found, expected[penalty], rtol=1e-5, atol=1e-6, err_msg=penalty)
        for other in expected.keys() - {penalty}:
            assert np.abs(expected[other] / expected[penalty] - 1.0).min() > 1e-3


def test_with_t_the_true_error_is_the_distance_of_the_model_from_p_at_every_pair(model: EnsembleDynamics) -> None:
    """To float accuracy, 1e-5 of u: each elite's error where that elite is drawn, their mean where none is."""
    errors = error_of_elites(model)
    true_error = penalized(model, Penalty.TRUE_ERROR, 1.0)
    found = true_error.uncertainty(*pairs_of_seeds()).detach()
    np.testing.assert_allclose(found, errors.mean(1), rtol=1e-5, atol=1e-6)
    repeats = 2 * ELITES
    charge = true_error.charged_step(*pairs_of_seeds(repeats), SeedStreams(SEEDS, "steps"))[3]
    charged = np.sort(charge.numpy().reshape(len(SEEDS), S * A, repeats), axis=-1)  # rows are dealt out evenly
    np.testing.assert_allclose(charged, np.sort(errors, axis=1).swapaxes(1, 2).repeat(2, -1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("penalty", list(Penalty))
def test_rewards_are_on_average_those_of_the_exact_penalized_mdp(model: EnsembleDynamics, penalty: Penalty) -> None:
    """At every pair within four standard errors of 9000 rewards; lambda u is five times as large at least."""
    repeats, weight = 9000, 2.0
    reward = penalized(model, penalty, weight).step(*pairs_of_seeds(repeats), SeedStreams(SEEDS, "steps"))[1]
    sampled = reward.double().numpy().reshape(len(SEEDS), S * A, repeats)
    tolerance = 4.0 * sampled.std(-1) / np.sqrt(repeats)
    own_reward = of_elites(model, heads(model)[0])[..., 0].mean(1)
    uncertainty = by_hand(model)[penalty]
    for seed in range(len(SEEDS)):
        plain = FiniteMDP(PROBLEM.dynamics, own_reward[seed].reshape(S, A), PROBLEM.initial, PROBLEM.discount)
        exact = penalized_mdp(plain, uncertainty[seed].reshape(S, A), weight).reward.ravel()
        np.testing.assert_array_less(np.abs(sampled[seed].mean(-1) - exact), tolerance[seed])
    assert penalty is Penalty.NONE or (weight * uncertainty > 5.0 * tolerance).all()
