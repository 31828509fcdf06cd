"""Settings from texts: what there is, what may be set to what, and one text for each choice."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass, field, make_dataclass, replace
from enum import Enum
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ampl.errors import AmplError, InvalidArgumentError, UnknownNameError, check_at_least, check_fraction
from ampl.setting_values import settings_as_json
from ampl.settings import (
    MAY_BE_INFINITE,
    NO_DEFAULT,
    apply_settings,
    changed_settings,
    list_settings,
    parse_assignments,
    settings_text,
)


class Decay(Enum):
    NONE = "none-at-all"
    COSINE = "cosine"


@dataclass(frozen=True, kw_only=True)
class Common:
    discount: float = 0.99  # gamma

    def __post_init__(self) -> None:
        check_fraction("discount", self.discount)


@dataclass(frozen=True, kw_only=True)
class Learner(Common):
    rate: float = 3e-4  # of Adam
    decay: Decay = Decay.NONE
    hidden: tuple[int, ...] = (256, 256)  # units
    betas: tuple[float, float] = (0.4, 0.999)
    bound: float = field(default=500.0, metadata=MAY_BE_INFINITE)
    entropy: float | None = None  # nats; none: minus the action size
    twins: Literal["mean", "least"] = "mean"
    noted: str = ""


@dataclass(frozen=True, kw_only=True)
class OtherLearner(Common):
    clip: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Schedule:
    epochs: int = 1000
    starts: int = 50
    length: int = field(
        default=5,
    )  # model steps

    def __post_init__(self) -> None:
        check_at_least("epochs", self.epochs, 1)
        if self.starts > self.epochs:
            raise InvalidArgumentError(f"starts is {self.starts}; expected at most epochs, {self.epochs}.")


@dataclass(frozen=True, kw_only=True)
class Config:
    penalty_weight: float  # lambda, by dataset
    random: bool = False
    learner: Learner | OtherLearner = field(default_factory=lambda: Learner(rate=1e-3))
    weights: Common | None = None  # none: not estimated
    schedule: Schedule = field(default_factory=Schedule)
    critic: Common = field(default_factory=Common)


CONFIG = Config(penalty_weight=1.0)


def changed(*texts: str, config: Config = CONFIG) -> Config:
    return apply_settings(config, parse_assignments(texts))


def mistake(kind: type[AmplError], call: Callable[[], Any]) -> str:
    with pytest.raises(kind) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_values_of_numpy_are_those_of_python() -> None:
    numpy = {"rate": np.float32(0.5), "betas": np.array([0.5, 0.25]), "hidden": (np.int64(8), 4), "random": np.True_}
    python = {"rate": 0.5, "betas": (0.5, 0.25), "hidden": (8, 4), "random": True}
    published = Config(penalty_weight=1.0)
    assert settings_as_json(apply_settings(published, numpy)) == settings_as_json(apply_settings(published, python))


def test_every_leaf_is_listed_with_value_default_and_comment() -> None:
    found = {setting.key: setting for setting in list_settings(replace(CONFIG, learner=Learner(rate=1e-5)))}
    assert list(found)[:3] == ["penalty_weight", "random", "learner.discount"]
    assert found["penalty_weight"].default is NO_DEFAULT
    assert found["penalty_weight"].about == "lambda, by dataset"
    assert (found["learner.rate"].value, found["learner.rate"].default) == (
        1e-5,
        1e-3,
    )  # the algorithm's, not Learner's
    assert found["learner.discount"].about == "gamma"  # of a base class
    assert found["schedule.length"].about == "model steps"  # of a field of several lines
    assert found["learner.entropy"].takes == "a number or none"
    assert found["learner.decay"].takes == "one of none-at-all, cosine"
    assert found["learner.hidden"].takes == "integers with commas between them"
    assert found["learner.betas"].takes == "a number, a number, with commas between them"
    assert found["weights"].takes == "what the variant chooses"
    assert found["learner.decay"].about == ""


def test_another_class_than_by_default_has_the_defaults_of_its_own() -> None:
    found = {setting.key: setting for setting in list_settings(replace(CONFIG, learner=OtherLearner(clip=2.0)))}
    assert found["learner.clip"].default == 1.0
    assert "learner.rate" not in found


def test_a_class_without_source_has_settings_without_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_dataclass("Made", [("size", int, 3)], frozen=True)
    [setting] = list_settings(made())
    assert (setting.key, setting.value, setting.about) == ("size", 3, "")


def test_comments_survive_a_source_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def unavailable(kind: type) -> str:
        raise OSError("could not get source code")

    from ampl.field_comments import field_comments

    monkeypatch.setattr(inspect, "getsource", unavailable)
    assert field_comments.__wrapped__(Config) == {}


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("penalty_weight=2.50", "penalty_weight", 2.5),
        ("penalty_weight=3", "penalty_weight", 3.0),
        ("rate=1e-4", "learner.rate", 1e-4),
        ("schedule.epochs=1e3", "schedule.epochs", 1000),
        ("length=7.0", "schedule.length", 7),
        ("random=True", "random", True),
        ("decay=cosine", "learner.decay", Decay.COSINE),
        ("hidden=64, 32", "learner.hidden", (64, 32)),
        ("hidden=", "learner.hidden", ()),
        ("betas=0.5,0.9", "learner.betas", (0.5, 0.9)),
        ("entropy=none", "learner.entropy", None),
        ("entropy=-3", "learner.entropy", -3.0),
        ("bound=inf", "learner.bound", float("inf")),
        ("twins=least", "learner.twins", "least"),
        ("noted=a=b", "learner.noted", "a=b"),
        ("critic.discount=-0.0", "critic.discount", 0.0),
    ],
)
def test_texts_become_values_of_the_declared_type(text: str, key: str, value: Any) -> None:
    found = {setting.key: setting.value for setting in list_settings(changed(text))}
    assert found[key] == value
    assert type(found[key]) is type(value)


def test_nothing_else_changes() -> None:
    assert changed("length=7") == replace(CONFIG, schedule=replace(CONFIG.schedule, length=7))
    assert changed() is CONFIG


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("length=1.5", "setting schedule.length=1.5: expected an integer."),
        ("length=1e99", "expected an integer"),
        ("length=true", "expected an integer"),
        ("rate=nan", "setting learner.rate=nan: expected a number."),
        ("rate=inf", "expected a number"),
        ("rate=fast", "expected a number"),
        ("bound=nan", "setting learner.bound=nan: expected a number or inf."),
        ("random=1", "expected true or false"),
        ("decay=cosin", "expected one of none-at-all, cosine"),
        ("betas=0.5", "expected a number, a number, with commas between them"),
        ("hidden=64,x", "expected integers with commas between them"),
        ("hidden=64,,32", "expected integers"),
        ("entropy=nil", "expected a number or none"),
        ("learner.discount=1.5", "setting learner.discount=1.5: discount is 1.5; expected a number in [0, 1]."),
        ("schedule.epochs=0", "setting schedule.epochs=0: epochs is 0; expected at least 1."),
        ("discount=0.9", "setting discount is ambiguous; expected one of learner.discount, critic.discount."),
        ("schedule=3", "schedule is a group of settings; expected one of schedule.epochs,"),
        ("weights=none", "setting weights=none: the variant chooses it"),
        ("penalty_weight", "expected KEY=VALUE"),
        ("=3", "expected KEY=VALUE"),
    ],
)
def test_a_mistake_is_told_in_one_line(text: str, words: str) -> None:
    assert words in mistake(InvalidArgumentError, lambda: changed(text))


def test_an_unknown_key_gets_the_nearest_one() -> None:
    assert "Did you mean 'penalty_weight'?" in mistake(UnknownNameError, lambda: changed("penalty_wieght=1"))
    assert "Did you mean 'length'?" in mistake(UnknownNameError, lambda: changed("lenght=1"))
    assert "unknown setting 'clip'" in mistake(UnknownNameError, lambda: changed("clip=1"))  # of another class


def test_the_same_setting_twice_is_told() -> None:
    assert "length twice" in mistake(InvalidArgumentError, lambda: changed("length=1", "length=2"))
    assert "given twice" in mistake(InvalidArgumentError, lambda: changed("length=1", "schedule.length=2"))


def test_settings_that_depend_on_each_other_are_checked_together() -> None:
    assert changed("epochs=10", "starts=10").schedule == Schedule(epochs=10, starts=10)
    assert "schedule.epochs=10: starts is 50" in mistake(InvalidArgumentError, lambda: changed("epochs=10"))


def test_only_what_differs_is_named_in_one_way() -> None:
    for texts in (("penalty_weight=2.50", "length=3"), ("schedule.length=3.0", "penalty_weight=2.5", "random=false")):
        found = changed_settings(CONFIG, changed(*texts))
        assert found == {"penalty_weight": 2.5, "schedule.length": 3}
        assert settings_text(found) == "penalty_weight=2.5,schedule.length=3"
    assert settings_text(changed_settings(CONFIG, changed("penalty_weight=1"))) == ""


def test_texts_are_safe_in_names_of_folders_and_stay_short() -> None:
    text = settings_text(changed_settings(CONFIG, changed('noted=../a:b\\c*?<>|".', "rate=1e-4")))
    assert text == "learner.noted=..%2Fa%3Ab%5Cc%2A%3F%3C%3E%7C%22.,learner.rate=0.0001"
    assert not settings_text({"noted": "a."}).endswith(".")
    long = [settings_text({f"group.setting_{i}": i for i in range(20)} | {"last": last}) for last in (1, 2)]
    assert max(map(len, long)) <= 150
    assert long[0] != long[1]
    assert long[0].startswith("group.setting_0=0,group.setting_1=1,")


def test_json_has_every_leaf_and_the_class_of_each_group() -> None:
    found = json.loads(json.dumps(settings_as_json(CONFIG)))
    assert found["learner"]["kind"] == "Learner"
    assert found["learner"]["hidden"] == [256, 256]
    assert found["learner"]["decay"] == "none-at-all"
    assert found["weights"] is None


numbers = st.floats(allow_nan=False, allow_infinity=False)
values = {
    "penalty_weight": numbers,
    "random": st.booleans(),
    "learner.discount": st.floats(0.0, 1.0),
    "learner.decay": st.sampled_from(Decay),
    "learner.hidden": st.lists(st.integers(1, 10**6), max_size=4).map(tuple),
    "learner.betas": st.tuples(numbers, numbers),
    "learner.bound": st.floats(allow_nan=False),
    "learner.entropy": st.none() | numbers,
    "schedule.length": st.integers(),
}


@given(wanted=st.fixed_dictionaries({}, optional=values))
def test_what_is_recorded_and_what_a_folder_is_called_lead_back_to_the_same_settings(wanted: dict[str, Any]) -> None:
    config = apply_settings(CONFIG, wanted)
    assert {setting.key: setting.value for setting in list_settings(config)}.items() >= wanted.items()
    recorded = changed_settings(CONFIG, config)
    assert apply_settings(CONFIG, json.loads(json.dumps(recorded))) == config
    assert changed_settings(CONFIG, apply_settings(CONFIG, recorded)) == recorded
    for key, value in recorded.items():
        text = settings_text({key: value})
        assert apply_settings(CONFIG, parse_assignments([text])) == apply_settings(CONFIG, {key: value})
