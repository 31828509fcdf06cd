"""What was published for a run's task, algorithm and variant, by source.

OfflineRL-Kit's benchmark stands first: v2 data, and the settings that ours have (MOPO's variant `kit`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from figures.inputs.names import MAIN
from figures.inputs.other_results import CORL, DAMO_TABLE_2, MOPO_TABLE_1, OFFLINERL_KIT
from figures.inputs.paper_results import FIGURE_1, TABLE_1, Score

METHOD_NAMES: Mapping[str, str] = {
    "ampl": "AMPL",
    "mopo": "MOPO",
    "damo": "DAMO",
    "bc": "BC",
    "td3-bc": "TD3+BC",
    "iql": "IQL",
    "cql": "CQL",
    "combo": "COMBO",
    "rambo": "RAMBO",
    "mobile": "MOBILE",
    "morel": "MOReL",
    "algaedice": "AlgaeDICE",
    "optidice": "OptiDICE",
    "o-dice": "O-DICE",
}
"""What published tables call our algorithms."""


def published_scores(task: str, algorithm: str, variant: str) -> dict[str, Score]:
    """Published normalized scores by source, the most comparable first; mostly none for variants.

    Args:
        task: of the runs.
        algorithm: theirs.
        variant: their label: with settings that differ from the variant's own nothing was published.
    """
    return {source: score for source, score in _found(task, algorithm, variant) if score is not None}


def _found(task: str, algorithm: str, variant: str) -> Iterator[tuple[str, Score | None]]:
    name = METHOD_NAMES.get(algorithm, "")
    if variant == ("kit" if algorithm == "mopo" else MAIN):
        yield "OfflineRL-Kit", OFFLINERL_KIT.get(task, {}).get(name)
    if algorithm == "bc" and variant == "best-tenth":
        yield "CORL", CORL.get(task, {}).get("10% BC")
    if variant == MAIN:
        yield "CORL", CORL.get(task, {}).get(name)
        yield "AMPL's paper", TABLE_1.get(task, {}).get(name)
        yield "DAMO's paper", DAMO_TABLE_2.get(task, {}).get(name)
    elif algorithm == "ampl" and variant in FIGURE_1.get(task, {}):
        yield "AMPL's paper", Score(FIGURE_1[task][variant])
    if algorithm == "mopo" and variant in (MAIN, "mbpo"):
        yield "MOPO's paper, v0 data", MOPO_TABLE_1.get(task, {}).get("MBPO" if variant == "mbpo" else name)
