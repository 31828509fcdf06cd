"""What model and critics promise, and the samples of where data, model and policy are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ampl.evaluation_schedule import EvaluationRequest
from ampl.files import read_npz
from ampl.training import train
from continuous.environments.batch import BatchSimulator
from continuous.environments.locomotion.robots import Hopper
from continuous.evaluation.certificates import ChargedStep, ModelReturns, horizon
from continuous.evaluation.evaluator import Evaluator
from continuous.networks.streams import SeedStreams
from continuous.replay.buffers import Batch
from tests.continuous.algorithms.small_model_based import small_damo, small_mopo


def walk(height: float) -> ChargedStep:
    """Moves by the action, pays the first coordinate, charges a quarter of the next, ends above a height."""

    def step(
        state: torch.Tensor, action: torch.Tensor, streams: SeedStreams
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        following = state + action
        return following, state[..., 0], following[..., 0] > height, 0.25 * following[..., 0]

    return step


def returns(height: float, start: list[float], discount: float = 0.9, reach: float = 100.0) -> dict[str, torch.Tensor]:
    returned = ModelReturns(
        walk(height),
        lambda state, streams: torch.ones_like(state),
        data=torch.tensor([[reach / 10.0]]),
        discount=discount,
        limit=8,
        seeds=[0],
    )
    states = torch.tensor(start).reshape(1, -1, 1)
    returned(states - 1.0)  # leaves nothing behind
    return returned(states)


def test_model_returns_are_discounted_sums_until_the_model_ends_a_path() -> None:
    """From 0 the walk is paid 0, 1, 2, 3 and ends on reaching 4; from 2 it is paid 2, 3."""
    found = returns(3.5, [0.0, 2.0])
    first = sum(0.9**t * (t - 0.25 * (t + 1)) for t in range(4))
    second = sum(0.9**t * (2 + t - 0.25 * (3 + t)) for t in range(2))
    assert float(found["certificate/model_return"]) == pytest.approx((first + second) / 2, rel=1e-5)
    charged = sum(0.9**t * 0.25 * (t + 1) for t in range(4)) + sum(0.9**t * 0.25 * (3 + t) for t in range(2))
    assert float(found["certificate/model_penalty"]) == pytest.approx(charged / 2, rel=1e-5)
    assert float(found["certificate/left_share"]) == 0.0


def test_a_path_that_was_cut_counts_as_endless_and_one_that_ended_does_not() -> None:
    """As critics value both: they bootstrap through time-outs, and not through ends."""
    returned = ModelReturns(
        walk(3.5),
        lambda state, streams: torch.where(state < 0.0, 0.0, 1.0),
        data=torch.tensor([[10.0]]),
        discount=0.9,
        limit=8,
        seeds=[0],
    )
    returned(
        torch.tensor([[[-1.0], [0.0]]])
    )  # the first stays where it is for all eight steps, the second ends after four
    assert returned.endless_length[0].tolist() == pytest.approx(
        [1.0 / (1.0 - 0.9), sum(0.9**t for t in range(4))], rel=1e-5
    )


def test_paths_that_leave_the_datas_range_end_and_are_counted() -> None:
    """The range is 50, so the second path ends with its first step, and the first goes on to the limit."""
    found = returns(1e9, [0.0, 49.5], discount=1.0, reach=50.0)
    first, second = sum(t - 0.25 * (t + 1) for t in range(8)), 49.5 - 0.25 * 50.5
    assert float(found["certificate/left_share"]) == 0.5
    assert float(found["certificate/model_return"]) == pytest.approx((first + second) / 2)


@pytest.mark.parametrize(
    ("discount", "limit", "expected"), [(0.99, 1000, 688), (0.99, 300, 300), (1.0, 7, 7), (0.0, 9, 1)]
)
def test_what_follows_the_horizon_is_worth_a_thousandth(discount: float, limit: int, expected: int) -> None:
    assert horizon(discount, limit) == expected
    assert expected == limit or discount**expected <= 1e-3


def test_discounted_returns_weigh_every_step_of_the_simulator() -> None:
    rewards: list[np.ndarray] = []

    class Listening(BatchSimulator):
        def step(self, actions):  # type: ignore[no-untyped-def]
            step = super().step(actions)
            rewards.append(step.rewards)
            return step

    with Evaluator(Listening(Hopper(), 1), episodes=3, discount=0.9) as evaluator:
        found = evaluator.evaluate([lambda o, _: np.zeros((3, 3))], [4])[0]
        starts = evaluator.starts([4])
    weighed = sum(0.9**t * reward for t, reward in enumerate(rewards))
    np.testing.assert_allclose(found.discounted_returns, weighed)
    np.testing.assert_allclose(found.returns, sum(rewards))
    assert starts.shape == (1, 3, 11)


def test_what_is_charged_is_what_rollouts_lose() -> None:
    """DAMO: alpha times the classifier's log ratio; MOPO: what separates its model's rewards from the plain model's."""
    damo = small_damo()
    batch = damo.table.sample(5, SeedStreams([0], "batch"))
    next_state, reward, terminal, charge = damo.charged_step(batch.state, batch.action, SeedStreams([0], "step"))
    made = Batch(state=batch.state, action=batch.action, reward=reward, next_state=next_state, terminal=terminal)
    torch.testing.assert_close(charge, damo.learner.damo.alpha * damo.learner.classifier.log_ratio(made))
    for variant in ("main", "mean-std", "disagreement", "mbpo"):
        mopo = small_mopo(variant=variant)
        _, penalized, _ = mopo.rollout_model().step(batch.state, batch.action, SeedStreams([0], "step"))
        _, plain, _, charge = mopo.charged_step(batch.state, batch.action, SeedStreams([0], "step"))
        torch.testing.assert_close(plain - penalized, charge)
        assert bool((charge > 0.0).all()) == (variant != "mbpo")
    assert not small_damo(variant="no-er").charged_step(batch.state, batch.action, SeedStreams([0], "step"))[3].any()


def test_every_epoch_records_both_sides_and_the_end_leaves_samples(tmp_path: Path) -> None:
    for algorithm in (small_mopo((0, 1)), small_damo((0, 1))):
        results = train(algorithm, task="line", variant="main", epochs=2, out=tmp_path)
        for result in results:
            metrics = result.result.metrics
            certificates = {name for name in metrics if name.startswith("certificate/")}
            expected = {"model_return", "model_penalty", "left_share", "value_estimate"}
            assert certificates == {f"certificate/{name}" for name in expected}
            names = [
                f"{kind}_{column}"
                for kind in ("offline", "synthetic", "model", "real")
                for column in ("state", "action")
            ]
            samples = read_npz(result.path / "samples.npz", "samples", names)
            offline = {tuple(row) for row in algorithm.table.state.numpy()}
            assert all(tuple(row) in offline for row in samples["offline_state"])
            assert samples["synthetic_state"].shape == (1000, 2)
            assert samples["synthetic_action"].shape == (1000, 1)
            starts = np.linspace(-1.0, 1.0, 10).astype(np.float32)
            assert np.isin(samples["real_state"][:, 0], np.concatenate((starts, starts / 2))).all()


def test_looking_at_certificates_changes_nothing() -> None:
    once, often = small_mopo(), small_mopo()
    for algorithm in (once, often):
        algorithm.fit_model(None)
    often.improve_policy(1)
    once.improve_policy(1)
    first, again = ([one() for one in often.evaluations(EvaluationRequest(epoch=1))] for _ in range(2))
    assert first == again
    often.samples()
    before, after = once.state(0), often.state(0)
    assert all(np.array_equal(before[name], after[name]) for name in before)
