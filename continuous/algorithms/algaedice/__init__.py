"""AlgaeDICE (policy gradient from arbitrary experience), deep."""

from continuous.algorithms.factory import DeepFactory

FACTORY = DeepFactory(
    "algaedice",
    presets="continuous.algorithms.algaedice.config",
    built_as="continuous.algorithms.algaedice.algaedice:AlgaeDICE",
    variants={
        "main": "the published code on a fixed dataset",
        "benchmark": "bootstraps at ends alone, a defect of the runs that D4RL's paper reports",
    },
)
