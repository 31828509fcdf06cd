"""What each variant of deep AMPL, MOPO and DAMO is, in a sentence.

What a variant changes is in the `config.py` of its algorithm. No network is imported here, so that names are listed at
once. The tables of variants in `docs/` are made from this (`python -m ampl.variant_tables`).
"""

from __future__ import annotations

from collections.abc import Mapping

VARIANTS: Mapping[str, Mapping[str, str]] = {
    "ampl": {
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
    },
    "mopo": {
        "main": "h and lambda of the paper's Table 6; u is the largest standard deviation of seven members",
        "kit": (
            "OfflineRL-Kit's h, lambda and settings of SAC for v2 data, and 3000 epochs over which the policy's "
            "learning rate decays to zero"
        ),
        "mbpo": "no penalty, and MBPO's h",
        "no-ensemble": "MBPO with a single model",
        "no-penalty": "MOPO's h without a penalty",
        "mean-std": "u is the mean standard deviation of the members",
        "disagreement": "u is the largest distance of a member's mean from the ensemble's",
        "true-error": (
            "u is the distance of the predicted next state from the simulator's; not for Adroit, whose "
            "observations hide parts of the state, nor for HIV and lqr-..."
        ),
    },
    "damo": {
        "main": "alpha and h of Table 4",
        "no-er": "no data alignment: R = 0",
        "no-ir": "no behavior alignment: squared errors, no start states, SAC's actor",
        "inconsistent": "DAMO's critic with SAC's actor",
        "unstabilized": "the actor's weight f*' is not held at one",
        "fixed-alpha": "the other reading of what DAMO holds constant in the actor",
        "exact-critic": (
            "Eq. 2's critic as it stands: f* one-sided, a gradient through the target, and no target networks"
        ),
        "gradient-penalty": "OMPO's gradient penalty, of weight 10, on the classifier",
        "episode-starts": "start states are the first states of the data's episodes, the mu0 of the theory",
        "alpha-0.1": "alpha is 0.1 on every task",
        "alpha-0.3": "alpha is 0.3 on every task",
        "alpha-1": "alpha is 1 on every task",
        "alpha-3": "alpha is 3 on every task",
        "alpha-10": "alpha is 10 on every task",
    },
}
"""By algorithm; the first of each is the default."""
