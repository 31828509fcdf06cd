"""Stacked random streams: a seed draws the same numbers alone as among others, and continues from a stored state."""

import numpy as np
import pytest
import torch

from ampl.errors import InvalidFileError
from continuous.networks.seed_state import prefixed, without_prefix
from continuous.networks.streams import SeedStreams

GPU_STATE = np.zeros(16, dtype=np.uint8)  # seed and offset


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


def test_rows_drawn_at_once_are_those_drawn_one_after_the_other() -> None:
    """On a CPU, for multiples of sixteen numbers: how updates ask for their noise does not change their bytes."""
    once, twice = SeedStreams([0, 1], "updates"), SeedStreams([0, 1], "updates")
    parts = once.normal(2 * 32, 3).chunk(2, dim=1)
    assert all(torch.equal(part, twice.normal(32, 3)) for part in parts)
    assert torch.equal(once.normal(4), twice.normal(4))


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


class GpuGenerator:
    """What a generator on a GPU is like."""

    def get_state(self) -> torch.Tensor:
        return torch.from_numpy(GPU_STATE)

    def set_state(self, state: torch.Tensor) -> None:
        assert state.shape == GPU_STATE.shape


def test_a_stream_of_a_gpu_does_not_go_on_on_a_cpu_and_the_message_says_where_it_does() -> None:
    with pytest.raises(
        InvalidFileError, match=r"made with --device cuda,.* with --device cpu\. .* with --device cuda,"
    ):
        SeedStreams([0], "updates").load_state(0, GPU_STATE)


def test_nor_the_reverse() -> None:
    streams = SeedStreams([0], "updates")
    on_cpu = streams.state(0)
    streams.generators = (GpuGenerator(),)  # type: ignore[assignment]
    streams.load_state(0, GPU_STATE)
    with pytest.raises(InvalidFileError, match=r"made with --device cpu,.* with --device cuda\. .* with --device cpu,"):
        streams.load_state(0, on_cpu)


def test_a_state_of_no_device_is_no_matter_of_devices() -> None:
    with pytest.raises(RuntimeError):
        SeedStreams([0], "updates").load_state(0, np.zeros(17, dtype=np.uint8))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_streams_of_a_real_gpu() -> None:
    there, here = SeedStreams([0], "updates", "cuda"), SeedStreams([0], "updates")
    assert there.state(0).shape == GPU_STATE.shape
    with pytest.raises(InvalidFileError, match="--device cuda"):
        here.load_state(0, there.state(0))
    with pytest.raises(InvalidFileError, match="--device cpu"):
        there.load_state(0, here.state(0))
