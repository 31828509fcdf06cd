"""Means of samples against formulas: apart by at most six standard errors, which chance exceeds once in 5e8 times."""

from __future__ import annotations

from itertools import islice

import numpy as np
from hypothesis import strategies as st

from continuous.linear_gaussian.checks import Floats
from continuous.linear_gaussian.families import random_mdp, random_policy
from continuous.linear_gaussian.marginals import state_marginals
from continuous.linear_gaussian.problem import AffineGaussianPolicy, LinearGaussianMDP

ERRORS = 6.0


def assert_mean(samples: Floats, expected: float | Floats) -> None:
    """The samples' mean over their first axis is as expected."""
    mean = samples.mean(0)
    error = samples.std(0, ddof=1) / np.sqrt(len(samples))
    assert (np.abs(mean - expected) <= ERRORS * error + 1e-9 * (1.0 + np.abs(mean))).all(), (mean, expected, error)


@st.composite
def problems(draw: st.DrawFn, *, bounded: bool | None = None) -> tuple[LinearGaussianMDP, AffineGaussianPolicy]:
    """Random stable problems with a policy: D up to 6, A up to 3, gamma from 0 to 0.995."""
    generator = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    mdp = random_mdp(
        draw(st.integers(1, 6)),
        draw(st.integers(1, 3)),
        generator,
        discount=draw(st.sampled_from((0.0, 0.3, 0.9, 0.99, 0.995))),
        radius=draw(st.sampled_from((0.3, 0.9))),
        bounded=draw(st.booleans()) if bounded is None else bounded,
    )
    return mdp, random_policy(mdp.dynamics, generator)


def state_law(mdp: LinearGaussianMDP, policy: AffineGaussianPolicy, step: int) -> tuple[Floats, Floats]:
    """Mean and covariance of s_t."""
    return next(islice(state_marginals(mdp, policy), step, None))
