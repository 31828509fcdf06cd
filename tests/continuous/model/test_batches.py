"""Which transitions members are trained on: fresh draws, or a bootstrap of each member's own."""

from collections import Counter

import torch
from torch import Tensor

from continuous.model.batches import Batches, BootstrapBatches, FreshBatches
from continuous.networks.streams import SeedStreams

MEMBERS, BATCH = 3, 8
TRAINING = torch.stack([torch.arange(100, 120), torch.arange(200, 220)])  # 20 transitions of each of two seeds


def make_steps(batches: Batches, steps: int) -> list[Tensor]:
    """The transitions of each step, [K, E, size]."""
    return [batches.next(size) for count, size in batches.plan(steps, BATCH) for _ in range(count)]


def of_member(steps: list[Tensor], seed: int, member: int) -> list[int]:
    return [row for batch in steps for row in batch[seed, member].tolist()]


def test_every_member_walks_through_a_resample_of_its_own_in_a_new_order_each_pass() -> None:
    batches = BootstrapBatches.drawn(TRAINING, MEMBERS, SeedStreams([0, 1], "fit"))
    passes = [make_steps(batches, 3) for _ in range(4)]
    assert [batch.shape for batch in passes[0]] == [(2, MEMBERS, 8), (2, MEMBERS, 8), (2, MEMBERS, 4)]
    resamples = set()
    for seed in range(2):
        for member in range(MEMBERS):
            orders = [of_member(steps, seed, member) for steps in passes]
            counts = [Counter(order) for order in orders]
            assert all(count == counts[0] for count in counts)
            assert len(set(map(tuple, orders))) == 4
            assert set(counts[0]) <= set(TRAINING[seed].tolist())
            assert len(counts[0]) < 20  # with replacement
            resamples.add(tuple(sorted((row % 100, times) for row, times in counts[0].items())))
    assert len(resamples) == 2 * MEMBERS


def test_a_bootstrap_leaves_out_a_share_of_1_over_e() -> None:
    training = torch.arange(20_000)[None]
    batches = BootstrapBatches.drawn(training, 2, SeedStreams([0], "fit"))
    (drawn,) = (batches.next(size) for _, size in batches.plan(1, 20_000))
    for member in range(2):
        left_out = 1.0 - len(drawn[0, member].unique()) / 20_000
        assert abs(left_out - 0.3679) < 0.01


def test_steps_may_stop_within_a_pass_and_go_on_there() -> None:
    whole = BootstrapBatches.drawn(TRAINING, MEMBERS, SeedStreams([0, 1], "fit"))
    parts = BootstrapBatches.drawn(TRAINING, MEMBERS, SeedStreams([0, 1], "fit"))
    expected = make_steps(whole, 7)
    found = [batch for steps in (2, 1, 3, 1) for batch in make_steps(parts, steps)]
    assert len(expected) == len(found) == 7
    assert all(torch.equal(one, two) for one, two in zip(expected, found, strict=True))


def test_a_seed_walks_alike_alone_among_others_and_taken_out_of_them() -> None:
    streams = SeedStreams([4, 5], "fit")
    among = BootstrapBatches.drawn(TRAINING, MEMBERS, streams)
    alone = BootstrapBatches.drawn(TRAINING[1:], MEMBERS, SeedStreams([5], "fit"))
    for steps in (2, 5):
        for one, two in zip(make_steps(among, steps), make_steps(alone, steps), strict=True):
            assert torch.equal(one[1:], two)
    taken = among.select(streams.select([1]), torch.tensor([1]))
    for one, two in zip(make_steps(taken, 7), make_steps(alone, 7), strict=True):
        assert torch.equal(one, two)


def test_fresh_batches_are_drawn_from_all_training_transitions() -> None:
    batches = FreshBatches(TRAINING, MEMBERS, SeedStreams([0, 1], "fit"))
    steps = make_steps(batches, 100)
    assert all(batch.shape == (2, MEMBERS, BATCH) for batch in steps)
    for seed in range(2):
        for member in range(MEMBERS):
            counts = Counter(of_member(steps, seed, member))
            assert set(counts) == set(TRAINING[seed].tolist())
            assert 15 < min(counts.values()) <= max(counts.values()) < 75  # 40 each on average
    assert len({tuple(of_member(steps, 0, member)) for member in range(MEMBERS)}) == MEMBERS
