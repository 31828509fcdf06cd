"""What is announced of every deep algorithm is what there is."""

from __future__ import annotations

import pytest

from ampl.errors import InvalidArgumentError
from ampl.scale import Scale
from continuous.algorithms.config import ModelBasedConfig
from continuous.algorithms.model_based import ModelBased
from continuous.tasks.find import find_task
from tests.continuous.algorithms.factories import FACTORIES

TASK = find_task("hopper-medium-v2")


@pytest.mark.parametrize("name", FACTORIES)
def test_names_variants_and_classes_are_what_is_announced(name: str) -> None:
    factory = FACTORIES[name]
    assert factory.name == factory.algorithm.name == name
    assert list(factory.variants) == list(factory.presets.VARIANTS)
    assert next(iter(factory.variants)) == "main"
    assert issubclass(factory.algorithm, ModelBased) == isinstance(factory.settings(TASK, "main"), ModelBasedConfig)


@pytest.mark.parametrize("name", FACTORIES)
def test_a_fit_of_the_model_can_be_limited_and_says_so_where_there_is_one(name: str) -> None:
    published = FACTORIES[name].settings(TASK, "main")
    if not isinstance(published, ModelBasedConfig):
        with pytest.raises(InvalidArgumentError, match="--model-steps is given to an algorithm that fits no model"):
            published.scaled(Scale(model_steps=500))
        return
    small = published.scaled(Scale(model_steps=500))
    assert small.dynamics.max_steps == 500
    assert ", at most 500 steps in each fit of the model" in small.scale_note(published)
    assert published.scaled(Scale(model_steps=10**9)) == published
