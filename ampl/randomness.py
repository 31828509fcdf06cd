"""Randomness: one seed split by name into independent streams."""

from __future__ import annotations

import hashlib

import numpy as np

from ampl.errors import InvalidArgumentError


def stream(seed: int, name: str) -> np.random.Generator:
    """The random stream called `name` of a seed: independent of its other streams, the same in every process.

    Args:
        seed: >= 0.
        name: what the stream is for: "rollout", "batches".

    Raises:
        InvalidArgumentError: a negative seed, or no integer.
    """
    if not hasattr(seed, "__index__") or seed < 0:
        raise InvalidArgumentError(f"seed is {seed!r}; expected an integer >= 0.")
    words = np.frombuffer(hashlib.sha256(name.encode()).digest(), dtype="<u4")
    sequence = np.random.SeedSequence(entropy=seed, spawn_key=tuple(int(word) for word in words))
    return np.random.Generator(np.random.PCG64(sequence))
