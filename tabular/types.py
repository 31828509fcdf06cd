"""Shapes, named once. Letters: S states, A actions, N transitions; S' is the next state's axis, also of length S."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]

DenseDynamics: TypeAlias = Floats  # [S, A, S'], rows sum to 1
SparseDynamics: TypeAlias = sparse.csr_array  # [S*A, S'], row s*A + a holds P(. | s, a)
Dynamics: TypeAlias = DenseDynamics | SparseDynamics
StateMatrix: TypeAlias = Any  # [S, S'], ndarray or csr_array
Policy: TypeAlias = Floats  # [S, A], rows sum to 1
Reward: TypeAlias = Floats  # [S, A]
StateDistribution: TypeAlias = Floats  # [S], sums to 1
Occupancy: TypeAlias = Floats  # [S, A], sums to 1
Weights: TypeAlias = Floats  # [S, A], >= 0, mean 1 under the data distribution
StateValue: TypeAlias = Floats  # [S], reward units, without the factor (1 - discount)
ActionValue: TypeAlias = Floats  # [S, A], likewise
