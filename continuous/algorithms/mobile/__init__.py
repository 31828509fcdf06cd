"""MOBILE (model-Bellman inconsistency), deep."""

from continuous.algorithms.factory import DeepFactory

FACTORY = DeepFactory(
    "mobile",
    presets="continuous.algorithms.mobile.config",
    built_as="continuous.algorithms.mobile.mobile:MOBILE",
    variants={
        "main": "h and beta of the authors' code",
    },
)
