"""Every deep algorithm of this project, as it is announced."""

from __future__ import annotations

from ampl.catalog import algorithm_names, find_algorithm
from continuous.algorithms.factory import DeepFactory

FACTORIES: dict[str, DeepFactory] = {
    name: factory
    for name in algorithm_names()["continuous"]
    if isinstance(factory := find_algorithm(name, "continuous"), DeepFactory)
}
