"""All claims by name: those that packages announce, and those of a user's own file."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ampl.claims.claim import Claim
from ampl.claims.record import Verdict
from ampl.entry_points import CASES, CLAIMS, load_all, names
from ampl.error_places import located_words
from ampl.errors import InvalidArgumentError, InvalidFileError, UnknownNameError
from ampl.files import check_regular_file


def find_claims(file: Path | None = None) -> dict[str, Claim]:
    """Every announced claim, in the order of the papers, then those of the list CLAIMS in a Python file.

    Raises:
        InvalidArgumentError: what is announced is no list of claims, or two claims have one name.
        InvalidFileError: the file is missing, fails, or has no CLAIMS, or none in it.
        UnknownNameError: a claim on a kind of cases that nobody announces.
    """
    return _find_claims(None if file is None else file.resolve())


@cache
def _find_claims(file: Path | None) -> dict[str, Claim]:
    announced = sorted(load_all(CLAIMS).items(), key=lambda item: item[0] != "finite")  # the kind that began them first
    groups = {f"the claims announced as '{name}'": claims for name, claims in announced}
    if file is not None:
        groups[f"the claims of {file}"] = _claims_of_file(file)
    found: dict[str, Claim] = {}
    for place, group in groups.items():
        for claim in _checked(place, group):
            if claim.name in found:
                raise InvalidArgumentError(
                    f"{place}: there is a claim '{claim.name}' already. Give this one its own name."
                )
            found[claim.name] = claim
    return found


def verdict_in_words(claim: str, verdict: Verdict) -> str:
    """The verdict on a claim of this name; one of a user's own file was not printed anywhere."""
    fails_unprinted = verdict is Verdict.FAILS_AS_PRINTED and claim not in find_claims()
    return "fails" if fails_unprinted else str(verdict)


def select_claims(wanted: Iterable[str], claims: Mapping[str, Claim]) -> tuple[Claim, ...]:
    """The claims of these names in their own order; all of them if no name is given.

    Raises:
        UnknownNameError: with the nearest match.
        InvalidArgumentError: a name is given twice, or names with commas between them.
    """
    chosen = tuple(wanted)
    for name in chosen:
        if "," in name:
            raise InvalidArgumentError(f"--claims has '{name}'; separate names by spaces.")
        if name not in claims:
            raise UnknownNameError("claim", name, claims)
    if len(set(chosen)) != len(chosen):
        raise InvalidArgumentError(f"a claim is named twice in {', '.join(chosen)}; name each once.")
    return tuple(claim for claim in claims.values() if not chosen or claim.name in chosen)


def _checked(place: str, group: Any) -> list[Claim]:
    """A group as a list, each of it a claim on cases that exist."""
    claims = list(group) if isinstance(group, Iterable) else [group]
    if not all(isinstance(claim, Claim) for claim in claims):
        raise InvalidArgumentError(f"{place} are no list of `ampl.claims.claim.Claim`.")
    for claim in claims:
        if claim.kind not in names(CASES):
            raise UnknownNameError(f"kind of cases of '{claim.name}'", claim.kind, names(CASES))
    return claims


def _claims_of_file(path: Path) -> Any:
    check_regular_file(path, "Expected a Python file that defines CLAIMS.")
    name = f"claims_of_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InvalidFileError(f"{path} is no Python file; expected one that defines CLAIMS.")
    sys.modules[name] = module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # any mistake of the user's
        raise InvalidFileError(f"{path} fails ({located_words(error)}). Mend it and run again.") from error
    if not hasattr(module, "CLAIMS"):
        raise InvalidFileError(f"{path} has no CLAIMS; expected a list of `ampl.claims.claim.Claim` of that name.")
    claims = list(module.CLAIMS) if isinstance(module.CLAIMS, Iterable) else module.CLAIMS
    if claims == []:  # else every claim of this project would be checked in their place
        raise InvalidFileError(f"{path} lists no claim in CLAIMS; expected at least one `ampl.claims.claim.Claim`.")
    return claims
