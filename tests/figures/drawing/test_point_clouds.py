"""Clouds of points: the number between them is what its definition says, and the plane shows where they differ."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from figures.drawing.point_clouds import energy_coefficient, fit_plane


def test_the_coefficient_is_the_energy_distance_over_its_largest_value() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.normal(size=(40, 5)), generator.normal(1.0, 2.0, size=(30, 5))
    between = 2 * cdist(first, second).mean()
    distance = between - cdist(first, first).mean() - cdist(second, second).mean()
    assert energy_coefficient(first, second) == pytest.approx(distance / between, rel=1e-6)
    assert energy_coefficient(second, first) == pytest.approx(distance / between, rel=1e-6)


def test_the_coefficient_goes_from_zero_to_one() -> None:
    generator = np.random.default_rng(0)
    points = generator.normal(size=(50, 3))
    assert energy_coefficient(points, points) == pytest.approx(0.0, abs=1e-6)
    assert energy_coefficient(np.zeros((4, 3)), np.zeros((2, 3))) == 0.0
    assert energy_coefficient(np.zeros((4, 3)), np.ones((2, 3))) == pytest.approx(1.0)
    growing = [energy_coefficient(points, points + shift) for shift in (0.1, 1.0, 10.0)]
    assert growing == sorted(growing)


def test_two_samples_of_one_distribution_come_to_about_one_over_n() -> None:
    generator = np.random.default_rng(0)
    found = energy_coefficient(generator.normal(size=(500, 14)), generator.normal(size=(500, 14)))
    assert 0.5 / 500 < found < 2.0 / 500


def test_the_plane_holds_the_directions_of_largest_variance() -> None:
    generator = np.random.default_rng(0)
    common = generator.normal(size=(2000, 1))
    points = np.hstack([common + 0.1 * generator.normal(size=(2000, 2)), generator.normal(size=(2000, 1))])
    points = points * [1.0, 100.0, 5.0] + [0.0, 7.0, -3.0]  # units do not matter
    plane = fit_plane([points[:500], points[500:]])
    np.testing.assert_allclose(np.abs(plane.directions), [[0.707, 0], [0.707, 0], [0, 1]], atol=0.05)
    np.testing.assert_allclose(plane.shares, [2 / 3, 1 / 3], atol=0.02)
    np.testing.assert_allclose(plane.project(points).mean(axis=0), 0.0, atol=1e-9)
    np.testing.assert_allclose(plane.project(points).var(axis=0), 3 * plane.shares, rtol=1e-9)


def test_constant_columns_and_a_single_column_are_no_obstacle() -> None:
    points = np.linspace(0.0, 1.0, 10)[:, None]
    plane = fit_plane([points])
    assert plane.project(points).shape == (10, 2)
    np.testing.assert_allclose(plane.shares, [1.0, 0.0])
    constant = fit_plane([np.hstack([points, np.full((10, 1), 0.1)])])
    np.testing.assert_allclose(constant.standardize(np.array([[0.5, 0.1]])), [[0.0, 0.0]], atol=1e-9)
    assert np.isfinite(fit_plane([np.ones((3, 2))]).project(np.ones((3, 2)))).all()
