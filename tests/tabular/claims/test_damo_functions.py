"""DAMO's claims about functions y of transitions try other y than the one that attains an optimum."""

from dataclasses import replace

import numpy as np
import pytest

from ampl.claims.cases import CaseSpec
from ampl.claims.claim import Measurement
from tabular.alignment.ratio_program import generator_slope
from tabular.claims.aligned_case import AlignedCase, on_small_cases
from tabular.claims.case import Case
from tabular.claims.families import build_case
from tabular.claims.registry import CLAIMS
from tabular.types import Floats

BY_NAME = {claim.name: claim for claim in CLAIMS}


def _case(index: int) -> Case:
    return build_case(CaseSpec(family="random", index=index, seed=0))


def _aligned(case: Case) -> AlignedCase:
    found: list[AlignedCase] = []
    on_small_cases(found.append)(case)
    return found[0]


def _measured(name: str, case: Case) -> Measurement:
    found = BY_NAME[name].assess(case)
    assert isinstance(found, Measurement)
    return found


@pytest.mark.parametrize("name", ["damo-a3", "damo-a5"])
@pytest.mark.parametrize("index", range(6))
def test_a_conjugate_that_is_right_only_where_the_optimum_is_attained_contradicts_the_claim(
    name: str, index: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = _case(index)
    assert not BY_NAME[name].is_violated(_measured(name, case))
    aligned = _aligned(case)
    truth, model = aligned.occupancies.truth, aligned.occupancies.model
    met = (truth > 0.0) & (model > 0.0)
    attaining = generator_slope(aligned.kind, truth[met] / model[met])  # [K]
    right = type(aligned.kind).conjugate

    def less_curved(kind: object, slope: Floats) -> Floats:
        """f*(y) less twice the squared distance to the nearest attaining y."""
        apart = np.abs(slope[..., None] - attaining).min(axis=-1)
        return right(kind, slope) - 2.0 * apart**2  # type: ignore[arg-type]

    monkeypatch.setattr(type(aligned.kind), "conjugate", less_curved)
    np.testing.assert_array_equal(less_curved(aligned.kind, attaining), right(aligned.kind, attaining))  # type: ignore[arg-type]
    assert BY_NAME[name].is_violated(_measured(name, case))


def test_cases_of_one_size_try_different_functions() -> None:
    case = _case(1)
    others = [replace(case, seed=case.seed + step) for step in range(1, 30)]
    alike = [other for other in others if _aligned(other).kind is _aligned(case).kind]
    assert len(alike) > 3
    assert len({_measured("damo-a4", each).right for each in (case, *alike)}) == 1 + len(alike)
