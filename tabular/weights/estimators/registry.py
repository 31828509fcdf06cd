"""The estimators that are compared, by name.  Source: theory.md, section 7."""

from __future__ import annotations

from ampl.errors import UnknownNameError
from tabular.weights.estimators.iteration import WeightIteration
from tabular.weights.estimators.lagrangian import RegularizedLagrangian, dualdice, gendice
from tabular.weights.estimators.minimax_weight_learning import MinimaxWeightLearning
from tabular.weights.estimators.moments import MultiMoment, QMoment
from tabular.weights.estimators.problem import BasisFunctions, Estimator, EstimatorFactory, PlugIn
from tabular.weights.estimators.variational_power_iteration import VariationalPowerIteration


def _multi_moment(weights: BasisFunctions | None, critic: BasisFunctions | None) -> Estimator:
    """All indicator moments if the critic is tabular, otherwise the critic's functions as tests."""
    if critic is None:
        return MinimaxWeightLearning(weight_functions=weights)
    return MultiMoment(test_functions=critic, weight_functions=weights)


ESTIMATORS: dict[str, EstimatorFactory] = {
    "plug-in": lambda weights, critic: PlugIn(),
    "T iteration": lambda weights, critic: WeightIteration(),
    "Q-moment (AMPL)": lambda weights, critic: QMoment(keep_mean=True, weight_functions=weights),
    "multi-moment": _multi_moment,
    "VPM": lambda weights, critic: VariationalPowerIteration(weight_functions=weights),
    "GenDICE": gendice,
    "DualDICE": lambda weights, critic: dualdice(weight_functions=weights, critic_functions=critic),
    "minimax weights": lambda weights, critic: MinimaxWeightLearning(weight_functions=weights),
    "Lagrangian, both regularized": lambda weights, critic: RegularizedLagrangian(
        primal_weight=0.1,
        dual_weight=0.1,
        normalized=True,
        weight_functions=weights,
        critic_functions=critic,
    ),
}
"""Name to what builds the estimator from the functions that weights and critic are linear in (None: every function)."""


def build_estimator(
    name: str, weight_functions: BasisFunctions | None = None, critic_functions: BasisFunctions | None = None
) -> Estimator:
    """The estimator of a name, in the given linear classes.

    Raises:
        UnknownNameError: listing the valid names.
    """
    if name not in ESTIMATORS:
        raise UnknownNameError("estimator", name, ESTIMATORS)
    return ESTIMATORS[name](weight_functions, critic_functions)
