"""AMPL (alternating model-policy learning with marginal importance weights), deep."""

from continuous.algorithms.factory import DeepFactory

FACTORY = DeepFactory(
    "ampl",
    presets="continuous.algorithms.ampl.config",
    built_as="continuous.algorithms.ampl.ampl:AMPL",
    variants={
        "main": "the published algorithm",
        "nw": "the model is fitted once, without weights",
        "vpm": "the weights are estimated by variational power iteration (VPM)",
        "gendice": "the weights are estimated by GenDICE",
        "dualdice": "the weights are estimated by DualDICE",
        "wpr": "the weights multiply the terms of the policy's regularizer too, which compares second pairs only",
        "kl-dual-wpr": "wpr with a linear objective in place of cross entropies",
        "kl-dual": "kl-dual-wpr without weights in the regularizer",
        "gaussian-policy": "a squashed Gaussian in place of the implicit policy",
        "no-regularizer": "after the warm start the policy only maximizes Q",
        "no-rollouts": "batches have real rows only",
        "reward-test-function": "the model's reward in place of Q in the moment equation of the weights",
        "value-discriminator": "refits match values at the next state in place of its likelihood",
        "released-rollouts": (
            "rollouts have the released code's defect: a start batch of 2048 paths takes the action of its first"
        ),
        "multi-moment": "ours, not the paper's: the weights solve 66 moment equations at once",
        "unit-weights": "ours: refits as often, without weights",
        "exact-weights": "no estimator: the true weights, which are known on tasks lqr-... only",
    },
)
