"""COMBO (conservative offline model-based policy optimization), deep."""

from continuous.algorithms.factory import DeepFactory

FACTORY = DeepFactory(
    "combo",
    presets="continuous.algorithms.combo.config",
    built_as="continuous.algorithms.combo.combo:COMBO",
    variants={
        "main": "h and beta of OfflineRL-Kit, values pushed down at the states of data and model",
        "model-states": "values are pushed down at the model's states only, the paper's other choice of rho",
    },
)
