"""Sampled datasets: reproducible, distributed as stated, and never an event of probability zero."""

import re
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse, stats

from ampl.errors import AmplError, InvalidArgumentError, InvalidRewardError, InvalidShapeError
from tabular.exact.dataset import TransitionDataset, sample_dataset
from tabular.exact.occupancy import occupancy
from tabular.exact.policy import random_policy, uniform_policy
from tabular.mdps.generators import random_mdp
from tabular.mdps.mdp import FiniteMDP
from tabular.weights.estimators.problem import EstimationProblem
from tests.strategies import mdps, policies, seeds

ARRAYS = [field.name for field in fields(TransitionDataset) if not field.name.startswith("n_")]


class _LargestDraws:
    """A stand-in for a generator whose uniform draws are all the largest that exist below one."""

    def __init__(self) -> None:
        self._generator = np.random.default_rng(0)

    def random(self, size: int) -> np.ndarray:
        return np.full(size, np.nextafter(1.0, 0.0))

    def choice(self, n: int, size: int, p: np.ndarray) -> np.ndarray:
        return self._generator.choice(n, size=size, p=p)


def _assert_frequencies(counts: np.ndarray, probability: np.ndarray) -> None:
    """A chi-square test at a level of 1e-4, over the entries that can occur; the others must not."""
    possible = probability > 0.0
    assert counts[~possible].sum() == 0
    if possible.sum() > 1 and counts.sum() > 0:
        expected = probability[possible] / probability[possible].sum() * counts.sum()
        assert stats.chisquare(counts[possible], expected).pvalue > 1e-4


@given(mdps(), st.data(), seeds())
def test_nothing_impossible_is_ever_drawn(mdp: FiniteMDP, data: st.DataObject, seed: int) -> None:
    behavior = data.draw(policies(mdp))
    drawn = sample_dataset(mdp, behavior, 200, np.random.default_rng(seed))
    dense = mdp.to_dense()
    assert (occupancy(mdp, behavior)[drawn.state, drawn.action] > 0.0).all()
    assert (dense.dynamics[drawn.state, drawn.action, drawn.next_state] > 0.0).all()
    assert (behavior[drawn.next_state, drawn.next_action] > 0.0).all()
    assert (mdp.initial[drawn.start_state] > 0.0).all()
    np.testing.assert_array_equal(drawn.reward, mdp.reward[drawn.state, drawn.action])


@given(mdps(), st.data(), seeds())
def test_same_seed_same_bytes_dense_or_sparse(mdp: FiniteMDP, data: st.DataObject, seed: int) -> None:
    behavior = data.draw(policies(mdp))
    first, again = (sample_dataset(mdp.to_dense(), behavior, 50, np.random.default_rng(seed)) for _ in range(2))
    for name in ARRAYS:
        assert getattr(first, name).tobytes() == getattr(again, name).tobytes()
        assert len(getattr(first, name)) == first.n_transitions == 50


def test_dense_and_sparse_mdps_give_the_same_draws() -> None:
    mdp = random_mdp(6, 3, np.random.default_rng(0))
    behavior = uniform_policy(mdp)
    dense = sample_dataset(mdp, behavior, 500, np.random.default_rng(1))
    compressed = sample_dataset(mdp.to_sparse(), behavior, 500, np.random.default_rng(1))
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(dense, name), getattr(compressed, name))


def test_other_seeds_give_other_draws() -> None:
    mdp = random_mdp(6, 3, np.random.default_rng(0))
    first, other = (sample_dataset(mdp, uniform_policy(mdp), 50, np.random.default_rng(seed)) for seed in (0, 1))
    assert (first.state != other.state).any()


@pytest.mark.parametrize("storage", [FiniteMDP.to_dense, FiniteMDP.to_sparse])
def test_frequencies_match_the_stated_distributions(storage: object) -> None:
    """(s, a) ~ d_b, s' ~ P*, a' ~ pi_b, starts ~ mu0."""
    generator = np.random.default_rng(7)
    mdp = storage(random_mdp(4, 3, generator, discount=0.8))  # type: ignore[operator]
    behavior = random_policy(4, 3, generator)
    behavior[2] = [0.0, 1.0, 0.0]
    drawn = sample_dataset(mdp, behavior, 50_000, generator)
    _assert_frequencies(drawn.pair_counts().ravel(), occupancy(mdp, behavior).ravel())
    for pair, row in enumerate(mdp.to_dense().dynamics.reshape(12, 4)):
        _assert_frequencies(np.bincount(drawn.next_state[drawn.pair == pair], minlength=4), row)
    for state in range(4):
        followed = np.bincount(drawn.next_action[drawn.next_state == state], minlength=3)
        _assert_frequencies(followed, behavior[state])
    _assert_frequencies(np.bincount(drawn.start_state, minlength=4), mdp.initial)


@given(mdps(), seeds())
def test_counts_are_consistent_with_each_other_and_with_the_rows(mdp: FiniteMDP, seed: int) -> None:
    drawn = sample_dataset(mdp, uniform_policy(mdp), 100, np.random.default_rng(seed))
    counts = drawn.transition_counts()
    np.testing.assert_array_equal(counts.sum(axis=2), drawn.pair_counts())
    np.testing.assert_array_equal(drawn.sparse_transition_counts().toarray().reshape(counts.shape), counts)
    assert counts.sum() == 100
    assert counts[drawn.state[0], drawn.action[0], drawn.next_state[0]] == np.sum(
        (drawn.pair == drawn.pair[0]) & (drawn.next_state == drawn.next_state[0])
    )


def test_batches_are_rows_of_the_dataset() -> None:
    mdp = random_mdp(5, 2, np.random.default_rng(0))
    drawn = sample_dataset(mdp, uniform_policy(mdp), 40, np.random.default_rng(1))
    batch, again = (drawn.sample(1000, np.random.default_rng(2)) for _ in range(2))
    rows = set(zip(drawn.state, drawn.action, drawn.reward, drawn.next_state, drawn.next_action, strict=True))
    picked = set(zip(batch.state, batch.action, batch.reward, batch.next_state, batch.next_action, strict=True))
    assert picked == rows  # 1000 draws from 40 rows miss none, up to 4e-10
    assert set(batch.start_state) == set(drawn.start_state)
    assert (batch.n_transitions, batch.n_states, batch.n_actions) == (1000, 5, 2)
    np.testing.assert_array_equal(batch.state, again.state)


def test_batches_are_uniform_over_the_rows() -> None:
    mdp = random_mdp(5, 2, np.random.default_rng(0))
    drawn = sample_dataset(mdp, uniform_policy(mdp), 20_000, np.random.default_rng(1))
    batch = drawn.sample(20_000, np.random.default_rng(2))
    _assert_frequencies(batch.pair_counts().ravel(), drawn.pair_counts().ravel() / 20_000)


def test_the_largest_draw_stays_inside_its_row_and_off_stored_zeros() -> None:
    """Rounding in the running sum over 4000 rows must not reach a next state stored with probability zero."""
    n_states = 4000
    data = np.tile([0.1, 0.2, 0.7, 0.0], n_states)
    columns = np.tile([0, 1, 2, 3], n_states)
    rows = sparse.csr_array((data, columns, np.arange(0, 4 * n_states + 1, 4)), shape=(n_states, n_states))
    mdp = FiniteMDP(rows, np.zeros((n_states, 1)), np.full(n_states, 1 / n_states), 0.5)
    drawn = sample_dataset(mdp, np.ones((n_states, 1)), 4000, _LargestDraws())  # type: ignore[arg-type]
    assert set(drawn.next_state) == {2}
    np.testing.assert_array_equal(rows.data, data)  # the caller's matrix keeps its zeros


@pytest.mark.parametrize("count", [0, -3])
def test_empty_datasets_and_batches_are_refused(count: int) -> None:
    mdp = random_mdp(2, 2, np.random.default_rng(0))
    with pytest.raises(InvalidArgumentError, match="n_transitions"):
        sample_dataset(mdp, uniform_policy(mdp), count, np.random.default_rng(0))
    drawn = sample_dataset(mdp, uniform_policy(mdp), 3, np.random.default_rng(0))
    with pytest.raises(InvalidArgumentError, match="batch_size"):
        drawn.sample(count, np.random.default_rng(0))


def _two_rows(**changes: Any) -> TransitionDataset:
    columns = {name: [0, 1] for name in ARRAYS}
    return TransitionDataset(**(columns | {"n_states": 3, "n_actions": 2} | changes))


def test_lists_and_small_integers_are_taken_as_int64() -> None:
    dataset = _two_rows(state=np.array([2, 0], dtype=np.int8), action=[1, 0])
    assert dataset.state.dtype == np.int64
    np.testing.assert_array_equal(dataset.pair_counts(), [[1, 0], [0, 0], [0, 1]])


@pytest.mark.parametrize("starts", [[2], [0, 0, 2]])
def test_there_may_be_fewer_or_more_start_states_than_transitions(starts: list[int]) -> None:
    dataset = _two_rows(start_state=starts)
    assert set(dataset.sample(200, np.random.default_rng(0)).start_state) == set(starts)
    policy = np.full((3, 2), 0.5)
    problem = EstimationProblem.from_dataset(dataset, np.zeros((3, 2)), policy, 0.9)
    np.testing.assert_allclose(problem.initial, np.bincount(starts, minlength=3) / len(starts))


@pytest.mark.parametrize(
    ("changes", "expected", "message"),
    [
        ({"action": [1, 2]}, InvalidArgumentError, "action in row 1 of the dataset is 2; expected 0..1."),
        ({"next_action": [-1, 0]}, InvalidArgumentError, "next_action in row 0 of the dataset is -1; expected 0..1."),
        ({"next_state": [0, 3]}, InvalidArgumentError, "next_state in row 1 of the dataset is 3; expected 0..2."),
        ({"state": [0.0, 1.0]}, InvalidArgumentError, "state of the dataset has dtype float64; expected integers."),
        ({"reward": ["a", "b"]}, InvalidArgumentError, "reward of the dataset is not an array of real numbers"),
        (
            {"reward": [0.5, float("nan")]},
            InvalidRewardError,
            "reward in row 1 of the dataset is nan; expected",
        ),
        ({"start_state": [[0, 1]]}, InvalidShapeError, "start_state of the dataset has shape (1, 2) and state (2,)"),
        ({"start_state": np.zeros(0, dtype=int)}, InvalidShapeError, "expected a list of one state or more."),
        ({"start_state": [0, 1, 3]}, InvalidArgumentError, "start_state in row 2 of the dataset is 3; expected 0..2."),
        ({"reward": [0.5]}, InvalidShapeError, "reward of the dataset has shape (1,) and state (2,)"),
        ({"state": [[0, 1]]}, InvalidShapeError, "state of the dataset has shape (1, 2)"),
        (dict.fromkeys(ARRAYS, 0), InvalidShapeError, "state of the dataset has shape ()"),
        ({name: np.zeros(0, dtype=int) for name in ARRAYS}, InvalidShapeError, "has shape (0,)"),
        ({"n_states": 0}, InvalidArgumentError, "n_states is 0; expected at least 1."),
    ],
)
def test_the_first_wrong_row_is_named(changes: dict[str, Any], expected: type[AmplError], message: str) -> None:
    with pytest.raises(expected, match=re.escape(message)):
        _two_rows(**changes)
