"""Frozen dataclasses of settings as JSON values, for config.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any


def settings_as_json(settings: Any) -> Mapping[str, Any]:
    """All fields of a dataclass; a field that is a dataclass itself carries its class name under "kind"."""
    return {each.name: _as_json(getattr(settings, each.name)) for each in fields(settings)}


def _as_json(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {"kind": type(value).__name__} | dict(settings_as_json(value))
    if isinstance(value, Enum):
        return value.value
    return list(value) if isinstance(value, tuple) else value
