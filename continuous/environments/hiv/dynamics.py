"""The infection under two drugs: six concentrations and their rates of change, as pure functions.

T cells (population 1) and macrophages (population 2) are infected by free virus; infected cells make virus; the immune
response kills infected cells. Drug 1 (reverse transcriptase inhibitor) hinders new infections, less so in macrophages;
drug 2 (protease inhibitor) makes new virus harmless.

Without drugs there are three steady states: free of infection (unstable), unhealthy (much virus, little immune
response; where an untreated infection ends) and immune-controlled (little virus, large immune response).

Source: Adams, Banks, Kwon and Tran 2004, "Dynamic Multidrug Therapies for HIV: Optimal and STI Control Approaches",
model equations and table of parameters; as used by Ernst, Stan, Goncalves and Wehenkel 2006, "Clinical data based
optimal STI strategies for HIV: a reinforcement learning approach".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from ampl.errors import InvalidArgumentError, InvalidShapeError, NotConvergedError

Floats: TypeAlias = NDArray[np.float64]
Rates: TypeAlias = Callable[[float, Floats], list[float]]  # time in days and state [6] to changes a day [6]

MAX_EVALUATIONS = 100_000  # of the rates in one call of the integrator; a usual step of 5 days takes 300
STATE_NAMES = ("T1", "T2", "T1*", "T2*", "V", "E")  # cells/ml, but V: copies/ml; * marks infected cells
MAX_EFFICACY = (0.7, 0.3)  # of the drugs at their full dose; 1 would stop infection, or make all new virus harmless

# Literature values, rounded there to whole numbers, except the first, which is exact.
INFECTION_FREE = (1e6, 3198.0, 0.0, 0.0, 0.0, 10.0)
UNHEALTHY = (163573.0, 5.0, 11945.0, 46.0, 63919.0, 24.0)
IMMUNE_CONTROLLED = (967839.0, 621.0, 76.0, 6.0, 415.0, 353108.0)
EARLY_INFECTION = (1e6, 3198.0, 1e-4, 1e-4, 1.0, 10.0)  # infection-free, with a first few virus particles


@dataclass(frozen=True, kw_only=True)
class HivParameters:
    """Rates of the model, in units of days and milliliters; symbols are those of Adams et al."""

    t_cell_production: float = 1e4  # lambda_1, cells / (ml day)
    macrophage_production: float = 31.98  # lambda_2, cells / (ml day)
    t_cell_death: float = 0.01  # d_1, 1 / day
    macrophage_death: float = 0.01  # d_2, 1 / day
    t_cell_infection: float = 8e-7  # k_1, ml / (virion day)
    macrophage_infection: float = 1e-4  # k_2, ml / (virion day)
    macrophage_share: float = 0.34  # f in [0, 1]: efficacy of drug 1 in macrophages, relative to T cells
    infected_death: float = 0.7  # delta, 1 / day
    t_cell_clearance: float = 1e-5  # m_1, by the immune response, ml / (cell day)
    macrophage_clearance: float = 1e-5  # m_2, ml / (cell day)
    virions_per_cell: float = 100.0  # N_T, made by an infected cell in its life
    virus_death: float = 13.0  # c, 1 / day
    virions_per_t_cell: float = 1.0  # rho_1, that enter a T cell to infect it
    virions_per_macrophage: float = 1.0  # rho_2
    immune_production: float = 1.0  # lambda_E, cells / (ml day)
    immune_birth: float = 0.3  # b_E, largest rate, 1 / day
    immune_birth_saturation: float = 100.0  # K_b > 0, infected cells / ml at half that rate
    immune_impairment: float = 0.25  # d_E, largest rate of death due to infected cells, 1 / day
    immune_impairment_saturation: float = 500.0  # K_d > 0, infected cells / ml at half that rate
    immune_death: float = 0.1  # delta_E, 1 / day

    def __post_init__(self) -> None:
        """Checks the ranges."""
        for field in fields(self):
            value = getattr(self, field.name)
            positive = field.name.endswith("_saturation")
            if not (isfinite(value) and (value > 0.0 if positive else value >= 0.0)):
                raise InvalidArgumentError(
                    f"{field.name} is {value!r}; expected a finite number {'> 0' if positive else '>= 0'}."
                )
        if self.macrophage_share > 1.0:
            raise InvalidArgumentError(f"macrophage_share is {self.macrophage_share!r}; expected a number in [0, 1].")


@dataclass(frozen=True, kw_only=True)
class IntegrationConfig:
    """Error control of the integrator (LSODA, which switches to an implicit method where the system is stiff).

    A local error of a concentration x may be relative_tolerance * x + absolute_tolerance.
    """

    relative_tolerance: float = 1e-8  # in [1e-13, 1e-2]
    absolute_tolerance: float = 1e-8  # in [1e-15, 1e-2], cells / ml

    def __post_init__(self) -> None:
        """Checks the ranges."""
        for name, least in (("relative_tolerance", 1e-13), ("absolute_tolerance", 1e-15)):
            value = getattr(self, name)
            if not least <= value <= 1e-2:
                raise InvalidArgumentError(f"{name} is {value!r}; expected a number in [{least:g}, 0.01].")


DEFAULT_PARAMETERS = HivParameters()
DEFAULT_INTEGRATION = IntegrationConfig()


def derivative(
    state: Sequence[float] | Floats, efficacy: Sequence[float] | Floats, parameters: HivParameters = DEFAULT_PARAMETERS
) -> Floats:
    """How fast each concentration changes.

    Args:
        state: concentrations in the order of `STATE_NAMES`, >= 0, [6].
        efficacy: of the two drugs, each in [0, 1], [2].
        parameters: rates.

    Returns:
        [6], per day.

    Raises:
        InvalidShapeError: another number of concentrations or of drugs.
        InvalidArgumentError: a value out of its range.

    Source: Adams et al. 2004, the model equations; Ernst et al. 2006, the same equations.
    """
    rates = _rates(_efficacies(efficacy), parameters)
    return np.array(rates(0.0, check_state(state, "state")))


def advance(
    state: Sequence[float] | Floats,
    efficacy: Sequence[float] | Floats,
    days: float,
    parameters: HivParameters = DEFAULT_PARAMETERS,
    integration: IntegrationConfig = DEFAULT_INTEGRATION,
) -> Floats:
    """The concentrations after some days with constant drugs.

    The exact solution never becomes negative; where the numerical one does, by no more than the integrator's error,
    it is set to 0.

    Args:
        state: concentrations in the order of `STATE_NAMES`, >= 0, [6].
        efficacy: of the two drugs, each in [0, 1], [2].
        days: > 0.
        parameters: rates.
        integration: error control.

    Returns:
        [6], >= 0.

    Raises:
        InvalidShapeError: another number of concentrations or of drugs.
        InvalidArgumentError: a value out of its range.
        NotConvergedError: the integrator fails, or leaves the range of possible concentrations.
    """
    start, efficacies = check_state(state, "state"), _efficacies(efficacy)
    if not (isfinite(days) and days > 0.0):
        raise InvalidArgumentError(f"days is {days!r}; expected a finite number > 0.")
    relative, absolute = integration.relative_tolerance, integration.absolute_tolerance
    rates = _bounded(_rates(efficacies, parameters))
    where = f"HIV model over {days:g} days from {start.tolist()} with efficacies {list(efficacies)}"
    try:
        solution = solve_ivp(rates, (0.0, days), start, method="LSODA", rtol=relative, atol=absolute)
    except ArithmeticError as error:
        raise NotConvergedError(f"{where}: {error}. Check the state and the parameters for extreme values.") from error
    if not solution.success:
        raise NotConvergedError(f"{where}: {solution.message} Loosen the tolerances, or check the parameters.")
    end: Floats = solution.y[:, -1]
    allowed = 1e3 * (absolute + relative * float(start.max()))  # errors of many integrator steps add up
    if not np.isfinite(end).all() or end.min() < -allowed:
        raise NotConvergedError(
            f"{where}: reached {end.tolist()}; expected finite numbers >= 0. Tighten the tolerances."
        )
    return np.maximum(end, 0.0)


def check_state(state: Any, name: str) -> Floats:
    """A state as an array of doubles, [6].

    Raises:
        InvalidShapeError: not six numbers.
        InvalidArgumentError: a concentration that is negative or not finite.
    """
    array: Floats = np.asarray(state, dtype=np.float64)
    if array.shape != (len(STATE_NAMES),):
        raise InvalidShapeError(f"{name} has shape {list(array.shape)}; expected [6]: {', '.join(STATE_NAMES)}.")
    if not (np.isfinite(array).all() and array.min() >= 0.0):
        raise InvalidArgumentError(f"{name} is {array.tolist()}; expected six finite concentrations >= 0.")
    return array


def check_positive(state: Any, name: str) -> Floats:
    """A state whose logarithms exist, as an array of doubles, [6].

    Raises:
        InvalidShapeError: not six numbers.
        InvalidArgumentError: a concentration that is not finite or not > 0.
    """
    array = check_state(state, name)
    if array.min() <= 0.0:
        raise InvalidArgumentError(
            f"{name} is {array.tolist()}; expected six concentrations > 0: they have logarithms."
        )
    return array


def _efficacies(efficacy: Sequence[float] | Floats) -> tuple[float, float]:
    array = np.asarray(efficacy, dtype=np.float64)
    if array.shape != (2,):
        raise InvalidShapeError(f"efficacy has shape {list(array.shape)}; expected [2], one of each drug.")
    if not bool(((array >= 0.0) & (array <= 1.0)).all()):
        raise InvalidArgumentError(f"efficacy is {array.tolist()}; expected two numbers in [0, 1].")
    first, second = array.tolist()
    return first, second


def _bounded(rates: Rates) -> Rates:
    """The same rates; ArithmeticError where they overflow, or are asked for too often: LSODA itself would never end."""
    count = 0

    def bounded(time: float, state: Floats) -> list[float]:
        nonlocal count
        count += 1
        found = rates(time, state)
        if not isfinite(sum(found)):
            raise ArithmeticError(f"the rates overflow at day {time:g}")
        if count > MAX_EVALUATIONS:
            raise ArithmeticError(f"the integrator is only at day {time:g} after {MAX_EVALUATIONS} evaluations")
        return found

    return bounded


def _rates(efficacy: tuple[float, float], parameters: HivParameters) -> Rates:
    """The right-hand side for the integrator, in plain floats, which is many times faster than in arrays of six."""
    p, (first, second) = parameters, efficacy
    t_cell_infection = (1.0 - first) * p.t_cell_infection
    macrophage_infection = (1.0 - p.macrophage_share * first) * p.macrophage_infection
    virus_production = (1.0 - second) * p.virions_per_cell * p.infected_death

    def rates(_: float, state: Floats) -> list[float]:
        t_cells, macrophages, infected_t_cells, infected_macrophages, virus, immune = state.tolist()
        new_t_cells = t_cell_infection * virus * t_cells
        new_macrophages = macrophage_infection * virus * macrophages
        infected = infected_t_cells + infected_macrophages
        stimulated = p.immune_birth * infected / (infected + p.immune_birth_saturation)
        impaired = p.immune_impairment * infected / (infected + p.immune_impairment_saturation)
        return [
            p.t_cell_production - p.t_cell_death * t_cells - new_t_cells,
            p.macrophage_production - p.macrophage_death * macrophages - new_macrophages,
            new_t_cells - (p.infected_death + p.t_cell_clearance * immune) * infected_t_cells,
            new_macrophages - (p.infected_death + p.macrophage_clearance * immune) * infected_macrophages,
            virus_production * infected
            - p.virus_death * virus
            - p.virions_per_t_cell * new_t_cells
            - p.virions_per_macrophage * new_macrophages,
            p.immune_production + (stimulated - impaired - p.immune_death) * immune,
        ]

    return rates
