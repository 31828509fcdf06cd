"""`ampl settings`: every setting of an algorithm on a task, with what `ampl train --set` may make of it."""

from __future__ import annotations

import json as json_format
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from ampl.command_line.data_options import DataOptions, TaskOrData
from ampl.command_line.installed_algorithms import installed_algorithms


@dataclass(frozen=True, kw_only=True)
class Settings(DataOptions):
    """Lists every setting of an algorithm on a task: value, default, where the value comes from, type and meaning.

    Then come the variants, with a sentence on each.
    `ampl train ALGORITHM TASK --set KEY=VALUE` changes them; the last part of a key suffices where it is clear.
    """

    algorithm: Annotated[
        tyro.conf.Positional[str], tyro.conf.arg(metavar="ALGORITHM", help=f"Whose settings: {installed_algorithms()}.")
    ]
    task: TaskOrData = None
    """On what: a finite MDP, or a task of `ampl data list`; none with --data."""
    variant: Annotated[str | None, tyro.conf.arg(metavar="NAME")] = None
    """Variant of the algorithm; the first of those listed if not given."""
    json: bool = False
    """Print JSON."""

    def run(self) -> int:
        """Prints the table, or JSON.

        Raises:
            AmplError: nothing of that name is installed; the message has the nearest.
        """
        from ampl.api import named_or_own
        from ampl.catalog import choose
        from ampl.interfaces import KnowsSources
        from ampl.printing import print_columns, print_line
        from ampl.settings import list_settings

        choice = choose(self.algorithm, named_or_own(self.task, **self.own), self.variant)
        variants = choice.factory.variants
        settings = list_settings(choice.settings())
        common = {each.key: each.value for each in list_settings(choice.settings(next(iter(variants))))}
        factory = choice.factory
        notes = factory.setting_notes(choice.problem, choice.variant) if isinstance(factory, KnowsSources) else ()
        if self.json:
            names = {"algorithm": self.algorithm, "task": choice.task, "variant": choice.variant}
            rows = [_as_json(setting, common) for setting in settings]
            print(json_format.dumps(names | {"notes": list(notes), "settings": rows}, indent=2))
            return 0
        print_line(f"{self.algorithm} on {choice.task}, variant {choice.variant}: {variants[choice.variant]}")
        for note in notes:
            print_line(f"note: {note}")
        print_columns(
            [("KEY", "VALUE", "DEFAULT", "FROM", "MEANING"), *(_row(setting, common) for setting in settings)]
        )
        print_line("")
        print_columns([("VARIANT", "IS"), *variants.items()])
        return 0


def _row(setting: Any, common: Mapping[str, Any]) -> tuple[str, ...]:
    from ampl.setting_values import value_text
    from ampl.settings import NO_DEFAULT

    value, default = ("" if each is NO_DEFAULT else value_text(each) for each in (setting.value, setting.default))
    return (
        setting.key,
        value,
        default,
        _source(setting, common),
        ": ".join(filter(None, (setting.takes, setting.about))),
    )


def _as_json(setting: Any, common: Mapping[str, Any]) -> dict[str, Any]:
    """One setting; a setting without a default has no "default"."""
    from ampl.setting_values import json_value
    from ampl.settings import NO_DEFAULT

    default = {} if setting.default is NO_DEFAULT else {"default": json_value(setting.default)}
    return {
        "key": setting.key,
        "value": json_value(setting.value),
        **default,
        "from": _source(setting, common),
        "takes": setting.takes,
        "meaning": setting.about,
    }


def _source(setting: Any, common: Mapping[str, Any]) -> str:
    """Where a value comes from: it is the algorithm's default, the task's as in its first variant, or the variant's."""
    if setting.value == setting.default:
        return "default"
    return "task" if setting.key in common and common[setting.key] == setting.value else "variant"
