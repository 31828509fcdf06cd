"""MOReL (planning in a pessimistic MDP), deep."""

from continuous.algorithms.factory import DeepFactory

FACTORY = DeepFactory(
    "morel",
    presets="continuous.algorithms.morel.config",
    built_as="continuous.algorithms.morel.morel:MOReL",
    variants={
        "main": "a pair halts where the models disagree by five standard deviations more than they do on the data",
        "no-pessimism": "nothing halts: the paper's naive planning in the model",
    },
)
