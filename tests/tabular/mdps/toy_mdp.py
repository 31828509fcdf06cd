"""A small MDP's arrays, for tests that change them."""

from typing import Any

import numpy as np
from scipy import sparse


def toy_arrays() -> dict[str, Any]:
    """A valid MDP of two states and two actions, to be spoiled in one place."""
    return {
        "dynamics": np.array([[[0.5, 0.5], [1.0, 0.0]], [[0.0, 1.0], [0.25, 0.75]]]),
        "reward": np.array([[0.0, 1.0], [-1.0, 0.5]]),
        "initial": np.array([1.0, 0.0]),
        "discount": 0.9,
    }


def sparse_arrays(arrays: dict[str, Any]) -> dict[str, Any]:
    return arrays | {"dynamics": sparse.csr_array(arrays["dynamics"].reshape(4, 2))}
