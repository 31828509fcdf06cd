"""Randomness: one seed split by name into independent streams, and generators as plain arrays for checkpoints."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from ampl.errors import InvalidArgumentError, InvalidShapeError

_WORD = (1 << 64) - 1
_LENGTH = 6  # two words of state, two of increment, and the cached half word with its flag


def stream(seed: int, name: str) -> np.random.Generator:
    """The random stream called `name` of a seed: independent of its other streams, the same in every process.

    Args:
        seed: >= 0.
        name: what the stream is for: "rollout", "batches".

    Raises:
        InvalidArgumentError: a negative seed.
    """
    if seed < 0:
        raise InvalidArgumentError(f"seed is {seed}; expected an integer >= 0.")
    words = np.frombuffer(hashlib.sha256(name.encode()).digest(), dtype="<u4")
    sequence = np.random.SeedSequence(entropy=seed, spawn_key=tuple(int(word) for word in words))
    return np.random.Generator(np.random.PCG64(sequence))


def generator_state(generator: np.random.Generator) -> NDArray[np.uint64]:
    """The state of a PCG64 generator as an array of six words, [6].

    Raises:
        InvalidArgumentError: another kind of bit generator.
    """
    whole = generator.bit_generator.state
    if whole["bit_generator"] != "PCG64":
        raise InvalidArgumentError(f"the generator is a {whole['bit_generator']}; expected a PCG64 (see stream).")
    state, increment = int(whole["state"]["state"]), int(whole["state"]["inc"])
    words = [state >> 64, state & _WORD, increment >> 64, increment & _WORD, whole["has_uint32"], whole["uinteger"]]
    return np.array(words, dtype=np.uint64)


def generator_from_state(words: NDArray[np.uint64]) -> np.random.Generator:
    """The generator that `generator_state` described; it continues with the very next draw.

    Raises:
        InvalidShapeError: not an array of six unsigned 64-bit words.
    """
    if words.shape != (_LENGTH,) or words.dtype != np.uint64:
        raise InvalidShapeError(f"generator state is {words.dtype}{list(words.shape)}; expected uint64[{_LENGTH}].")
    high, low, increment_high, increment_low, has_half, half = (int(word) for word in words)
    bits = np.random.PCG64()
    bits.state = {
        "bit_generator": "PCG64",
        "state": {"state": high << 64 | low, "inc": increment_high << 64 | increment_low},
        "has_uint32": has_half,
        "uinteger": half,
    }
    return np.random.Generator(bits)
