"""How many updates a second SAC makes on one thread, and how many steps a second collection makes.

    python -m benchmarks.sac

Compared with the same update written the usual way: modules, automatic differentiation, three optimizers. Rates are the
best of `REPEATS` blocks, so that other work on the machine counts least. Writes results/sac.json.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ampl.randomness import stream
from benchmarks.records import command_line, print_table, write_record
from continuous.environments.batch import BatchSimulator
from continuous.environments.locomotion.robots import ROBOTS
from continuous.networks.arithmetic import fast_arithmetic, one_thread
from continuous.recreate.locomotion.collection import EPISODE_LIMIT, policy_actor, roll_out
from continuous.recreate.online_sac.replay import Batch, ReplayMemory
from continuous.recreate.online_sac.sac import SacConfig, SoftActorCritic

REPEATS = 5
UPDATES = 200  # in a block
ROWS = 200_000  # in the replay memory
EPISODES = 20
CONFIG = SacConfig()


def main() -> None:
    """Measures every robot."""
    command_line(__doc__).parse_args()
    rows = [row for robot in ("hopper", "halfcheetah", "walker2d") for row in measure(robot)]
    print_table(("robot", "what", "per_second", "ratio"), rows)
    print(f"wrote {write_record('sac', rows).name}")


def measure(robot: str) -> list[dict[str, Any]]:
    """Rates of one robot; ratios are to the usual update."""
    simulation = ROBOTS[robot]()
    states, actions = simulation.observation_size, simulation.action_size
    memory, generator = filled_memory(states, actions), torch.Generator().manual_seed(0)
    indices = torch.randint(ROWS, (UPDATES, CONFIG.batch_size), generator=generator)
    noise = torch.randn(UPDATES, 2 * CONFIG.batch_size, actions, generator=generator)
    usual, ours = UsualUpdate(states, actions), SoftActorCritic(states, actions, CONFIG, generator)

    def block(update: Callable[[Batch, Tensor], Any]) -> Callable[[], int]:
        def run() -> int:
            for number in range(UPDATES):
                update(memory.batch(indices[number]), noise[number])
            return UPDATES

        return run

    rates = {}
    with one_thread():
        rates["updates, usual"] = rate(block(usual))
        rates["updates, ours, MKL"] = rate(block(ours.update))
    with fast_arithmetic():
        rates["updates, ours"] = rate(block(ours.update))
    baseline = rates["updates, usual"]
    rows = [
        {"robot": robot, "what": what, "per_second": value, "ratio": value / baseline} for what, value in rates.items()
    ]

    def episodes() -> int:
        actor = policy_actor(ours.policy(), torch.Generator().manual_seed(0))
        played = roll_out(simulator, actor, stream(0, "starts").spawn(EPISODES), EPISODE_LIMIT)
        return sum(len(episode["rewards"]) for episode in played)

    with one_thread(), BatchSimulator(simulation) as simulator:
        rows.append({"robot": robot, "what": "steps of collection", "per_second": rate(episodes)})
    return rows


def rate(run: Callable[[], int]) -> float:
    """Things a second, best of `REPEATS` after one that warms up; `run` says how many it did."""
    run()
    best = 0.0
    for _ in range(REPEATS):
        start = time.perf_counter()
        done = run()
        best = max(best, done / (time.perf_counter() - start))
    return best


def filled_memory(states: int, actions: int) -> ReplayMemory:
    """Random transitions."""
    generator, memory = np.random.default_rng(0), ReplayMemory(ROWS, states, actions)
    memory.append(
        {
            "observations": generator.standard_normal((ROWS, states)),
            "actions": generator.uniform(-1.0, 1.0, (ROWS, actions)),
            "rewards": generator.standard_normal(ROWS),
            "next_observations": generator.standard_normal((ROWS, states)),
            "terminals": generator.random(ROWS) < 0.01,
        }
    )
    return memory


class UsualUpdate:
    """The same algorithm with modules, automatic differentiation and an optimizer for each loss."""

    def __init__(self, states: int, actions: int) -> None:
        self._actions = actions
        self._policy = network(states, 2 * actions)
        self._critics = [network(states + actions, 1) for _ in range(2)]
        self._targets = [network(states + actions, 1) for _ in range(2)]
        self._log_temperature = torch.zeros((), requires_grad=True)
        critic_parameters = [parameter for critic in self._critics for parameter in critic.parameters()]
        groups = (self._policy.parameters(), critic_parameters, [self._log_temperature])
        self._optimizers = [torch.optim.Adam(group, lr=CONFIG.learning_rate) for group in groups]

    def __call__(self, batch: Batch, noise: Tensor) -> None:
        """One update; see `SoftActorCritic.update`."""
        policy_optimizer, critic_optimizer, temperature_optimizer = self._optimizers
        temperature = self._log_temperature.exp().detach()
        with torch.no_grad():
            actions, logs = self._act(batch.next_state, noise[CONFIG.batch_size :])
            pairs = torch.cat((batch.next_state, actions), 1)
            value = torch.minimum(*(target(pairs)[:, 0] for target in self._targets)) - temperature * logs
            goal = batch.reward + CONFIG.discount * batch.continues * value
        critic_loss = sum(((critic(batch.state_action)[:, 0] - goal) ** 2).mean() for critic in self._critics)
        actions, logs = self._act(batch.state, noise[: CONFIG.batch_size])
        pairs = torch.cat((batch.state, actions), 1)
        policy_loss = (temperature * logs - torch.minimum(*(critic(pairs)[:, 0] for critic in self._critics))).mean()
        temperature_loss = -(self._log_temperature * (logs.detach() - self._actions)).mean()
        policy_optimizer.zero_grad()
        policy_loss.backward()
        critic_optimizer.zero_grad()
        critic_loss.backward()  # type: ignore[union-attr]
        temperature_optimizer.zero_grad()
        temperature_loss.backward()
        for optimizer in self._optimizers:
            optimizer.step()
        with torch.no_grad():
            for critic, target in zip(self._critics, self._targets, strict=True):
                for new, old in zip(critic.parameters(), target.parameters(), strict=True):
                    old.lerp_(new, CONFIG.target_rate)

    def _act(self, states: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_std = self._policy(states).chunk(2, 1)
        normal = torch.distributions.Normal(mean, log_std.clamp(-20.0, 2.0).exp())
        before_squash = mean + normal.stddev * noise
        squash = 2.0 * (np.log(2.0) - before_squash - nn.functional.softplus(-2.0 * before_squash))
        return before_squash.tanh(), (normal.log_prob(before_squash) - squash).sum(1)


def network(inputs: int, outputs: int) -> nn.Module:
    """Two hidden layers of rectified linear units."""
    hidden = CONFIG.hidden
    layers = (nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, outputs))
    return nn.Sequential(*layers)


if __name__ == "__main__":
    main()
