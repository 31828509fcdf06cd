"""Streams: split by name, the same in every process, stored as plain arrays."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from ampl.errors import InvalidArgumentError, InvalidShapeError
from ampl.randomness import generator_from_state, generator_state, stream

SHOW = "from ampl.randomness import stream; print(stream(3, 'rollout').integers(2**62))"


def test_a_stream_is_the_same_in_every_process() -> None:
    here = str(stream(3, "rollout").integers(2**62))
    for hash_seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", SHOW], env={"PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == here


def test_streams_differ_by_seed_and_by_name() -> None:
    draws = {int(stream(seed, name).integers(2**62)) for seed in range(10) for name in ("rollout", "batches", "")}
    assert len(draws) == 30


def test_a_negative_seed_is_an_error() -> None:
    with pytest.raises(InvalidArgumentError, match="-1"):
        stream(-1, "rollout")


def test_a_generator_continues_from_its_state() -> None:
    generator = stream(0, "rollout")
    generator.integers(10, size=3, dtype=np.uint32)  # leaves a cached half word
    copy = generator_from_state(generator_state(generator))
    for draw in ("random", "standard_normal", "standard_exponential"):
        np.testing.assert_array_equal(getattr(copy, draw)(100), getattr(generator, draw)(100))
    np.testing.assert_array_equal(
        copy.integers(10, size=5, dtype=np.uint32), generator.integers(10, size=5, dtype=np.uint32)
    )


def test_other_generators_and_arrays_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="MT19937"):
        generator_state(np.random.Generator(np.random.MT19937(0)))
    for words in (np.zeros(5, dtype=np.uint64), np.zeros(6)):
        with pytest.raises(InvalidShapeError, match="uint64"):
            generator_from_state(words)  # type: ignore[arg-type]
