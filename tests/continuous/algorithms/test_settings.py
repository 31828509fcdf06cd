"""Every setting of every deep algorithm can be listed and set: written as text, it comes back as it was."""

from __future__ import annotations

from typing import Any

import pytest

from ampl.errors import InvalidArgumentError
from ampl.setting_values import is_readable, value_text
from ampl.settings import apply_settings, changed_settings, list_settings
from continuous.algorithms.config import ModelBasedConfig
from continuous.tasks.find import find_task
from tests.continuous.algorithms.factories import FACTORIES

TASK = find_task("hopper-medium-v2")
VARIANTS = [(algorithm, variant) for algorithm, factory in FACTORIES.items() for variant in factory.variants]


@pytest.mark.parametrize(("algorithm", "variant"), VARIANTS)
def test_every_setting_written_as_text_comes_back(algorithm: str, variant: str) -> None:
    config = FACTORIES[algorithm].settings(TASK, variant)
    texts = {
        setting.key: value_text(setting.value) for setting in list_settings(config) if is_readable(setting.annotation)
    }
    assert len(texts) > (40 if isinstance(config, ModelBasedConfig) else 12)
    assert apply_settings(config, texts) == config


def test_bounds_that_may_be_switched_off_take_infinity_and_come_back_from_json() -> None:
    config = FACTORIES["ampl"].settings(TASK, "main")
    found = apply_settings(config, {"mean_bound": "inf", "bootstrap_bound": "inf"})
    recorded = changed_settings(config, found)
    assert recorded == {"critic.bootstrap_bound": "inf", "weights.mean_bound": "inf"}
    assert apply_settings(config, recorded) == found


def test_a_variant_that_only_changes_a_number_is_a_setting_of_the_main_one() -> None:
    main, other = (FACTORIES["damo"].settings(TASK, variant) for variant in ("main", "alpha-0.3"))
    assert apply_settings(main, {"alpha": "0.3"}) == other
    assert changed_settings(main, other) == {"learner.alpha": 0.3}


@pytest.mark.parametrize(
    ("algorithm", "given", "words"),
    [
        ("mopo", {"largest_state": "-1"}, "largest_state is -1.0; expected more than 0. None: no bound."),
        ("damo", {"largest_state": 0}, "largest_state is 0.0; expected more than 0"),
        ("o-dice", {"return_range": "-1"}, "return_range is -1.0; expected more than 0. None: rewards as they are."),
        ("ampl", {"annealing_step": "1.5"}, "annealing_step is 1.5; expected a number in [0, 1]."),
        ("ampl", {"annealing_step": "-0.1"}, "annealing_step is -0.1; expected a number in [0, 1]."),
        ("mopo", {"learner.hidden": "0,4"}, "setting learner.hidden=0,4: hidden is 0,4; expected at least one"),
        ("damo", {"classifier.hidden": "4,-1"}, "setting learner.classifier.hidden=4,-1: hidden is 4,-1"),
        ("ampl", {"weights.hidden": "0"}, "setting weights.hidden=0: hidden is 0; expected at least one unit"),
    ],
)
def test_a_value_out_of_its_range_is_one_line(algorithm: str, given: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArgumentError) as error:
        apply_settings(FACTORIES[algorithm].settings(TASK, "main"), given)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
