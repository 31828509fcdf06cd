"""Stacked random streams: a seed draws the same numbers alone as among others, and continues from a stored state."""

import torch

from continuous.streams import SeedStreams, prefixed, without_prefix


def draws(streams: SeedStreams) -> list[torch.Tensor]:
    return [streams.normal(3, 40), streams.uniform(7), streams.integers(10, 5), streams.normal(2), streams.uniform(2)]


def test_seed_3_draws_the_same_alone_and_among_five() -> None:
    for alone, among in zip(
        draws(SeedStreams([3], "updates")), draws(SeedStreams([0, 1, 2, 3, 4], "updates")), strict=True
    ):
        assert torch.equal(alone[0], among[3])
        assert not torch.equal(among[2], among[3])


def test_streams_of_other_names_are_others() -> None:
    assert not torch.equal(SeedStreams([0], "updates").normal(4), SeedStreams([0], "rollouts").normal(4))


def test_ranges() -> None:
    streams = SeedStreams([0], "ranges")
    uniform, integers, normal = streams.uniform(100_000), streams.integers(6, 100_000), streams.normal(100_000)
    assert uniform.min() >= 0.0
    assert uniform.max() < 1.0
    assert set(integers.unique().tolist()) == set(range(6))
    assert abs(normal.mean().item()) < 0.02
    assert abs(normal.std().item() - 1.0) < 0.02


def test_a_stored_stream_continues_with_the_next_draw() -> None:
    streams = SeedStreams([0, 1], "updates")
    streams.normal(5)
    states = [prefixed("streams", {"a": streams.state(index)}) for index in range(2)]
    expected = streams.normal(50)
    other = SeedStreams([8, 9], "anything")
    for index, state in enumerate(states):
        other.load_state(index, without_prefix("streams", state)["a"])
    assert torch.equal(other.normal(50), expected)
