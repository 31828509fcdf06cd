"""Figure 2 with the truth beside it in continuous spaces, with networks of the published sizes.

figure2-continuous    estimated and exact log weights on lqr-pointmass at each of five retrainings, and the errors
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ampl.files import check_replaceable, write_npz
from continuous.experiments.figure2_truth import Retraining, record_of, scaled_estimators
from continuous.experiments.linear_gaussian import AffinePolicy, TaskData, on_the_way
from continuous.linear_gaussian.returns import expected_return
from continuous.linear_gaussian.tasks import find_linear_gaussian
from continuous.linear_gaussian.weights import agreement, effective_share
from continuous.weights.estimator import EstimatorConfig

TASK = "lqr-pointmass"
SHARES = (0.2, 0.4, 0.6, 0.8, 1.0)  # of the way from the behavior policy to the optimum, one a retraining


def figure2_continuous(path: Path) -> None:
    """Estimates weights at five retrainings while the policy moves towards the optimum's gain, with less noise.

    Policies are affine, so that w* is exact (`on_the_way`); so is the critic.

    Record: see `record_of`; and `rank_correlation` [E, R], of w and w*, `effective_share` [E, R], of w, and
    `exact_effective_share` [R], of w*, over all rows. Returns are (1 - gamma) times the discounted sum.
    """
    check_replaceable(path)
    task = find_linear_gaussian(TASK)
    data = TaskData(task)
    retrainings = [
        Retraining(
            policy=AffinePolicy(policy),
            critic=data.critic(policy),
            exact_weights=data.exact_weights(policy),
            expected_return=expected_return(task.mdp, policy),
        )
        for policy in (on_the_way(task, share) for share in SHARES)
    ]
    estimators = scaled_estimators(task.mdp.discount, hidden=EstimatorConfig.hidden)
    reward, discount = task.mdp.reward(data.pairs), task.mdp.discount
    arrays, estimates = record_of("figure2-continuous", data.table, reward, retrainings, estimators, discount)
    exact = [each.exact_weights for each in retrainings]
    near = np.array([[agreement(*pair) for pair in zip(row, exact, strict=True)] for row in estimates])  # [E, R, 3]
    arrays |= {
        "rank_correlation": near[..., 1],
        "effective_share": near[..., 2],
        "exact_effective_share": np.array([effective_share(weights) for weights in exact]),
    }
    write_npz(path, arrays)
