"""The settings of an algorithm: what there is, and what `--set KEY=VALUE` makes of it.

An algorithm's settings are a tree of frozen dataclasses. A setting is a leaf of it, named by the fields on the way:
`schedule.rollout_length`. The last names suffice where they mean one setting only: `rollout_length`. Which classes the
tree has is the variant's choice; texts change its leaves.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass, replace
from functools import cache
from typing import Any, TypeVar, get_type_hints
from urllib.parse import quote

from ampl.errors import AmplError, InvalidArgumentError, UnknownNameError
from ampl.field_comments import field_comments
from ampl.setting_values import UnreadableValueError, expected, is_readable, json_value, read_value, value_text

NO_DEFAULT = MISSING
"""Stands for the default of a setting that each dataset or variant has its own value of."""

MAY_BE_INFINITE: Mapping[str, Any] = {"infinite": True}
"""Metadata of a field whose number may be inf, which switches something off."""

_LENGTH = "schedule.epochs"
_LONGEST = 150  # characters of the settings in a folder's name
_HASH = 10  # of them for the hash of longer ones
_SAFE = "+-._,"  # in the name of a folder on every system, beside letters and digits

_ConfigT = TypeVar("_ConfigT")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One leaf of the tree.

    Attributes:
        key: dotted.
        value: as it is in this tree.
        default: as the algorithm has it where neither dataset nor variant says otherwise; or `NO_DEFAULT`.
        annotation: its type, resolved.
        infinite: whether a number of it may be infinite.
        about: unit, meaning and source, as the field's comment has them; empty if it has none.
    """

    key: str
    value: Any
    default: Any
    annotation: Any
    infinite: bool
    about: str

    @property
    def takes(self) -> str:
        """What it may be, in words."""
        if not is_readable(self.annotation):
            return "what the variant chooses"
        return expected(self.annotation) + (" or inf" if self.infinite else "")


def list_settings(config: Any) -> list[Setting]:
    """Every setting of a tree, in the order of its fields."""
    return list(_leaves(config, "", None))


def parse_assignments(texts: Sequence[str]) -> dict[str, str]:
    """Keys and values of texts like "penalty_weight=2.5".

    Raises:
        InvalidArgumentError: one is not of this form, or a key is there twice.
    """
    found: dict[str, str] = {}
    for text in texts:
        key, sign, value = text.partition("=")
        key = key.strip()
        if not key or not sign:
            raise InvalidArgumentError(f"--set has '{text}'; expected KEY=VALUE, like discount=0.9.")
        if key in found:
            raise InvalidArgumentError(f"--set has {key} twice: {found[key]} and {value}. Keep one.")
        found[key] = value
    return found


def apply_settings(config: _ConfigT, changes: Mapping[str, Any]) -> _ConfigT:
    """The same tree with other leaves; every class that changes checks its ranges again.

    Args:
        config: a tree of frozen dataclasses.
        changes: by key, dotted or as short as is clear: texts, or values as JSON has them.

    Raises:
        UnknownNameError: a key that no setting has; with the nearest.
        InvalidArgumentError: a key that several have, or that is no single setting; one setting twice; a value of the
            wrong type or outside its range.
    """
    settings = {setting.key: setting for setting in list_settings(config)}
    values: dict[str, Any] = {}
    for name, given in changes.items():
        setting = settings[_full_key(name, settings)]
        if setting.key in values:
            raise InvalidArgumentError(f"setting {setting.key} is given twice, once as {name}. Keep one.")
        values[setting.key] = _value(setting, given)
    return _replaced(config, "", values)


def changed_settings(published: _ConfigT, config: _ConfigT) -> dict[str, Any]:
    """What differs between two trees of the same classes: JSON values by dotted key, sorted."""
    before = {setting.key: setting.value for setting in list_settings(published)}
    return {
        setting.key: json_value(setting.value)
        for setting in sorted(list_settings(config), key=lambda each: each.key)
        if before[setting.key] != setting.value
    }


def requested_settings(published: Any, changes: Mapping[str, Any]) -> dict[str, Any]:
    """What is asked for and the published settings do not have, as `changed_settings` gives it.

    Args:
        published: a tree of frozen dataclasses.
        changes: as for `apply_settings`.

    Raises:
        UnknownNameError, InvalidArgumentError: see `apply_settings`; or the run's length is asked for, which is an
            option of its own.
    """
    changed = changed_settings(published, apply_settings(published, changes))
    if _LENGTH in changed:
        raise InvalidArgumentError(
            f"setting {_LENGTH} is the length of the run. Use --epochs {changed[_LENGTH]}, in Python epochs="
            f"{changed[_LENGTH]}."
        )
    return changed


def variant_folder(variant: str, changed: Mapping[str, Any]) -> str:
    """The folder of a variant's runs: "main", or "main,penalty_weight=2.5"."""
    return f"{variant},{settings_text(changed)}" if changed else variant


def variant_label(variant: str, changed: Mapping[str, Any]) -> str:
    """A variant with what differs from its own settings, for people: "main, penalty_weight=2.5"."""
    return ", ".join([variant, *(f"{key}={value_text(value)}" for key, value in sorted(changed.items()))])


def settings_text(changed: Mapping[str, Any]) -> str:
    """Settings as a part of a folder's name on every system: "penalty_weight=2.5,schedule.rollout_length=3".

    Args:
        changed: from `changed_settings`; equal ones give equal texts, and a long text ends in a hash of all of them.
    """
    parts = (
        f"{quote(key, safe=_SAFE)}={quote(value_text(value), safe=_SAFE)}" for key, value in sorted(changed.items())
    )
    text = ",".join(parts)
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST - _HASH - 1]}~{hashlib.sha256(text.encode()).hexdigest()[:_HASH]}"
    return f"{text[:-1]}%2E" if text.endswith(".") else text  # Windows drops a last dot


def _leaves(node: Any, prefix: str, default_node: Any) -> Iterator[Setting]:
    """The settings below a dataclass; `default_node` is the one of the same class that its parent has by default."""
    kind: type = type(node)
    comments = field_comments(kind)
    for each in _settable(node):
        value = getattr(node, each.name)
        default = _default(each) if default_node is None else getattr(default_node, each.name)
        if _is_node(value):
            yield from _leaves(value, f"{prefix}{each.name}.", default if type(default) is type(value) else None)
        else:
            yield Setting(
                key=prefix + each.name,
                value=value,
                default=default,
                annotation=_annotations(kind)[each.name],
                infinite=bool(each.metadata.get("infinite")),
                about=comments.get(each.name, ""),
            )


def _is_node(value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, type)


def _settable(node: Any) -> list[Field[Any]]:
    return [each for each in fields(node) if each.init]


def _default(each: Field[Any]) -> Any:
    return each.default if each.default_factory is MISSING else each.default_factory()


@cache
def _annotations(kind: type) -> Mapping[str, Any]:
    return get_type_hints(kind)


def _full_key(name: str, settings: Mapping[str, Setting]) -> str:
    """The one setting that a key, dotted or short, means."""
    if name in settings:
        return name
    meant = [key for key in settings if key.endswith(f".{name}")]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise InvalidArgumentError(f"setting {name} is ambiguous; expected one of {', '.join(meant)}.")
    inside = [key for key in settings if f".{name}." in f".{key}"]
    if inside:
        raise InvalidArgumentError(f"{name} is a group of settings; expected one of {', '.join(inside)}.")
    raise UnknownNameError("setting", name, settings, also=[key.rpartition(".")[2] for key in settings])


def _value(setting: Setting, given: Any) -> Any:
    what = f"setting {setting.key}={value_text(given)}"
    if not is_readable(setting.annotation):
        raise InvalidArgumentError(f"{what}: the variant chooses it, not a text. Use another variant.")
    try:
        return read_value(given, setting.annotation, infinite=setting.infinite)
    except UnreadableValueError:
        raise InvalidArgumentError(f"{what}: expected {setting.takes}.") from None


def _replaced(node: Any, prefix: str, values: Mapping[str, Any]) -> Any:
    """A dataclass with what was changed at it and below it; itself if nothing was."""
    changes = {}
    for each in _settable(node):
        value, key = getattr(node, each.name), prefix + each.name
        if key in values:
            changes[each.name] = values[key]
        elif _is_node(value) and (below := _replaced(value, f"{key}.", values)) is not value:
            changes[each.name] = below
    try:
        return replace(node, **changes) if changes else node
    except AmplError as error:
        given = ", ".join(f"{key}={value_text(value)}" for key, value in values.items() if key.startswith(prefix))
        raise InvalidArgumentError(f"setting {given}: {error}") from error
