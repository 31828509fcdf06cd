"""The deep components answer to the interfaces that both wings share."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from ampl import interfaces
from continuous.algorithms.ampl.ampl import AMPL
from continuous.algorithms.ampl.critic import TwinCritic
from continuous.algorithms.ampl.policy import GaussianPolicy, ImplicitPolicy
from continuous.model.ensemble import EnsembleDynamics
from continuous.replay.buffers import TransitionTable
from continuous.weights.estimator import WeightEstimator
from continuous.wing import ContinuousWing


@pytest.mark.parametrize(
    ("component", "protocol"),
    [
        (TransitionTable, interfaces.Dataset),
        (EnsembleDynamics, interfaces.DynamicsModel),
        (ImplicitPolicy, interfaces.Policy),
        (GaussianPolicy, interfaces.Policy),
        (TwinCritic, interfaces.Critic),
        (WeightEstimator, interfaces.WeightEstimator),
        (AMPL, interfaces.Algorithm),
        (ContinuousWing, interfaces.Wing),
    ],
)
def test_a_component_has_the_methods_of_its_interface_with_the_same_arguments(component: Any, protocol: Any) -> None:
    for name, method in vars(protocol).items():
        if name.startswith("_") or not inspect.isfunction(method):
            continue
        expected = list(inspect.signature(method).parameters)
        found = list(inspect.signature(getattr(component, name)).parameters.values())
        assert [parameter.name for parameter in found[: len(expected)]] == expected, name
        assert all(parameter.default is not parameter.empty for parameter in found[len(expected) :]), name
