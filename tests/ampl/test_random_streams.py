"""Streams: split by name, the same in every process, stored as plain arrays."""

import subprocess
import sys

import pytest

from ampl.errors import InvalidArgumentError
from ampl.randomness import stream

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
