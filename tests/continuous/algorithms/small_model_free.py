"""Deep algorithms without a model, small enough for tests: tiny networks, synthetic data, no MuJoCo."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ampl.settings import apply_settings, list_settings
from continuous.algorithms.model_based import ModelBased
from continuous.algorithms.offline import AnyAlgorithm
from continuous.tasks.find import find_task
from tests.continuous.algorithms.factories import FACTORIES
from tests.continuous.algorithms.small_ampl import line_table, surroundings

MODEL_FREE = [name for name, factory in FACTORIES.items() if not issubclass(factory.algorithm, ModelBased)]
SMALL = {"schedule.epochs": 10, "schedule.steps_per_epoch": 6, "schedule.batch_size": 32}


def small_config(name: str, variant: str = "main", **changes: Any) -> Any:
    published = FACTORIES[name].settings(find_task("hopper-medium-v2"), variant)
    hidden = {each.key: "12" for each in list_settings(published) if each.key.endswith("hidden")}
    return apply_settings(published, {**SMALL, **hidden, **changes})


def small_model_free(name: str, seeds: Sequence[int] = (0,), variant: str = "main", **changes: Any) -> AnyAlgorithm:
    algorithm = FACTORIES[name].algorithm
    return algorithm.on_data(line_table(), small_config(name, variant, **changes), seeds, surroundings())
