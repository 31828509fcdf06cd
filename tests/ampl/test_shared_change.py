"""A change of the whole process lasts as long as one of the blocks that want it, however they overlap."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from ampl.shared_change import SharedChange


def test_overlapping_blocks_make_it_once_and_the_last_one_undoes_it() -> None:
    told: list[str] = []

    def make() -> int:
        told.append("made")
        return 7

    change = SharedChange(make, lambda before: told.append(f"back to {before}"))
    first, second = ExitStack(), ExitStack()
    first.enter_context(change.made())
    second.enter_context(change.made())
    first.close()
    assert told == ["made"]
    second.close()
    assert told == ["made", "back to 7"]


def test_an_error_within_undoes_it_and_it_can_be_made_again() -> None:
    told: list[str] = []
    change = SharedChange(lambda: told.append("made"), lambda before: told.append("back"))
    for _ in range(2):
        with pytest.raises(KeyError), change.made():
            raise KeyError
    assert told == ["made", "back"] * 2
