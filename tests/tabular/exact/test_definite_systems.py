"""Symmetric positive definite systems are solved dense and sparse alike, badly scaled ones included."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import sparse

from ampl.errors import NotConvergedError
from tabular.exact import definite_systems
from tabular.exact.definite_systems import solve_definite


def _grid_laplacian(size: int) -> sparse.csr_array:
    line = sparse.diags_array([2.1, -1.0, -1.0], offsets=[0, 1, -1], shape=(size, size))
    one = sparse.eye_array(size)
    return sparse.csr_array(sparse.kron(line, one) + sparse.kron(one, line))


@pytest.mark.parametrize("size", [5, 30])
def test_the_solution_solves_the_system(size: int) -> None:
    matrix = _grid_laplacian(size)
    exact = np.random.default_rng(0).normal(size=size**2)
    np.testing.assert_allclose(solve_definite(matrix, matrix @ exact), exact, atol=1e-9)


def test_crowded_systems_go_the_dense_way_and_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = _grid_laplacian(30)
    target = np.arange(900.0)
    by_sparse = solve_definite(matrix, target)
    monkeypatch.setattr(definite_systems, "CROWDED", 0)
    np.testing.assert_allclose(solve_definite(matrix, target), by_sparse, rtol=1e-9)


def test_rows_of_very_different_size_keep_their_accuracy() -> None:
    scale = sparse.diags_array(10.0 ** -np.arange(0.0, 12.0, 12.0 / 25.0))
    matrix = sparse.csr_array(scale @ _grid_laplacian(5) @ scale)
    exact = np.linspace(1.0, 2.0, 25)
    np.testing.assert_allclose(solve_definite(matrix, matrix @ exact), exact, rtol=1e-6)


def test_a_singular_system_is_an_error() -> None:
    size = definite_systems.SMALL + 1
    with pytest.raises(NotConvergedError, match=r"singular|residual"):
        solve_definite(sparse.csr_array((size, size)), np.ones(size))
    with pytest.raises(NotConvergedError, match="residual"):
        solve_definite(sparse.csr_array(np.ones((2, 2))), np.array([1.0, 2.0]))


@pytest.mark.parametrize("storage", [np.asarray, sparse.csr_array])
def test_small_systems_equal_a_general_solve_and_singular_ones_the_shortest_solution(storage: Callable) -> None:
    root = np.random.default_rng(0).normal(size=(6, 6))
    target = np.arange(6.0)
    full = root @ root.T
    np.testing.assert_allclose(solve_definite(storage(full), target), np.linalg.solve(full, target), rtol=1e-9)
    singular = np.ones((2, 2))
    np.testing.assert_allclose(solve_definite(storage(singular), np.full(2, 3.0)), [1.5, 1.5], rtol=1e-12)
