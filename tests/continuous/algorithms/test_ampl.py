"""Deep AMPL as a whole: variants, seeds that do not know of each other, and its place in the driver."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ampl.errors import DivergedError, InvalidArgumentError
from ampl.evaluation_schedule import EvaluationRequest
from ampl.interfaces import Metrics
from ampl.runs.run_directory import Status
from ampl.runs.seed_result import SeedResult
from ampl.setting_values import settings_as_json
from ampl.training import train
from continuous.algorithms.ampl.ampl import AMPL
from continuous.algorithms.ampl.config import VARIANTS, KnownWeights
from continuous.algorithms.evaluation import TaskEvaluation
from tests.continuous.algorithms.small_ampl import line_table, small_ampl, small_config, surroundings

EPOCHS = 10  # of which nine are followed by a refit


def run(algorithm: AMPL, out: Path, epochs: int = EPOCHS, **options: object) -> list[dict[str, str]]:
    results = train(algorithm, task="line", variant="main", epochs=epochs, out=out, **options)  # type: ignore[arg-type]
    with (results[0].path / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of seed 0."""
    out = tmp_path_factory.mktemp("whole")
    run(small_ampl(), out)
    return out / "line/ampl/main/seed0"


@pytest.mark.parametrize("variant", list(VARIANTS))
def test_every_variant_trains_with_nine_refits_and_finite_metrics(variant: str, tmp_path: Path) -> None:
    algorithm = small_ampl(variant=variant)
    rows = run(algorithm, tmp_path)
    assert len(rows) == EPOCHS
    assert all(np.isfinite(float(value)) for row in rows for value in row.values())
    snapshots = sorted((tmp_path / "line/ampl/main/seed0/weights").glob("epoch_*.npz"))
    assert len(snapshots) == (0 if variant == "nw" else 9)
    for path in snapshots:
        weights = np.load(path)["weights"]
        assert weights.shape == (400,)
        assert abs(weights.mean() - 1.0) < 1e-5


def test_exact_weights_are_taken_where_they_are_known_scaled_to_mean_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy that has none gets ones; where nobody knows them, the variant is refused before it trains."""
    algorithm = small_ampl((0, 1), "exact-weights")
    known = np.linspace(0.0, 3.0, 400)
    monkeypatch.setattr(algorithm.surroundings.evaluation, "exact_weights", lambda _: [known, None])
    found = algorithm.estimate_weights()
    assert found[0] == pytest.approx(known / known.mean())
    assert (found[1] == 1.0).all()
    assert [weights.shape for weights in found] == [(400,)] * 2
    assert (algorithm.fit_weights() == 1.0).all()
    algorithm.fit_model(found)
    np.testing.assert_array_equal(algorithm.fit_weights().numpy(), found)
    with pytest.raises(InvalidArgumentError, match="the true weights are not known on this task"):
        AMPL.on_data(line_table(), small_config("exact-weights"), (0,), surroundings())


def test_unit_weights_refit_without_weights() -> None:
    algorithm = small_ampl((0, 1), "unit-weights")
    assert algorithm.retrain_period == small_ampl((0,), "main").retrain_period
    assert [(weights == 1.0).all() for weights in algorithm.estimate_weights()] == [True, True]
    assert [(small_ampl((0,), variant).fit_weights() == 1.0).all() for variant in ("unit-weights", "nw")] == [
        True,
        True,
    ]
    with pytest.raises(InvalidArgumentError, match="known_weights is ones, but the variant estimates weights"):
        replace(small_config("main"), known_weights=KnownWeights.ONES)


def test_variants_differ_from_main_in_what_they_are_named_for() -> None:
    configs = {variant: small_config(variant) for variant in VARIANTS}
    different = {variant: settings_as_json(config) for variant, config in configs.items()}
    assert len({str(config) for config in different.values()}) == len(VARIANTS)
    assert configs["nw"].weights is None
    assert configs["no-rollouts"].schedule.real_fraction == 1.0
    assert configs["wpr"].regularizer.weighted
    assert not configs["kl-dual"].regularizer.weighted
    assert configs["kl-dual"].regularizer.objective == configs["kl-dual-wpr"].regularizer.objective
    assert not configs["no-regularizer"].policy_update.regularized


@pytest.mark.parametrize(("variant", "masked"), [("wpr", True), ("kl-dual-wpr", True), ("kl-dual", False)])
def test_weighted_terms_of_the_regularizer_leave_out_terminal_rows_and_others_do_not(
    variant: str, masked: bool
) -> None:
    table = line_table()
    table = table.changed(terminal=torch.arange(table.n_transitions) % 2 == 0)
    algorithm = AMPL(table, small_config(variant), (0, 1), surroundings())
    algorithm.fit_model(None)
    assert algorithm._row_weights is not None or not masked
    if algorithm._row_weights is not None:
        algorithm._row_weights.fill_(3.0)
    draws = algorithm.draws()
    assert 0 < int(draws.true.terminal.sum()) < draws.true.terminal.numel()
    for pairs in algorithm.learner._pairs(draws):
        expected = 3.0 * ~draws.true.terminal if masked else torch.ones_like(draws.true.reward)
        torch.testing.assert_close(pairs.weight, expected, rtol=0.0, atol=0.0)


@pytest.mark.parametrize("parts", [(EPOCHS,), (EPOCHS // 2, EPOCHS)])
def test_the_same_seed_gives_the_same_bytes_at_once_and_in_two_halves(
    whole: Path, tmp_path: Path, parts: Sequence[int]
) -> None:
    for epochs in parts:
        run(small_ampl(), tmp_path, epochs, resume=epochs != parts[0])
    again = tmp_path / "line/ampl/main/seed0"
    for name in ("metrics.csv", f"checkpoint/epoch_{EPOCHS:04d}/state.safetensors"):
        assert (whole / name).read_bytes() == (again / name).read_bytes()


def test_seed_3_alone_equals_seed_3_among_five(tmp_path: Path) -> None:
    """A hundred iterations, with the fits, weights and rollouts between them."""
    alone, among = small_ampl([3]), small_ampl([0, 1, 2, 3, 4])
    for each in (alone, among):
        each.fit_model(None)
        for epoch in range(1, 14):
            each.improve_policy(epoch)
    one, other = alone.state(0), among.state(3)
    for name in one:
        if name.startswith("streams/"):
            np.testing.assert_array_equal(one[name], other[name], err_msg=name)
        else:
            np.testing.assert_allclose(one[name], other[name], rtol=1e-3, atol=1e-4, err_msg=name)


def test_the_warm_start_leaves_the_value_out_of_the_policy() -> None:
    """With a regularizer that says nothing, a policy in its warm start stands still, and moves afterwards."""
    algorithm = small_ampl()
    algorithm.fit_model(None)
    network = algorithm.learner.discriminator.network
    network.values.zero_()
    algorithm.learner.discriminator.step = lambda gradient: None  # type: ignore[method-assign]
    before = algorithm.learner.policy.network.values.clone()
    algorithm.improve_policy(1)
    assert torch.equal(algorithm.learner.policy.network.values, before)
    algorithm.improve_policy(2)
    assert not torch.equal(algorithm.learner.policy.network.values, before)


def test_evaluation_takes_the_action_of_largest_smaller_twin_and_leaves_training_alone() -> None:
    algorithm = small_ampl()
    before = algorithm.state(0)
    states = torch.rand(5, 2, generator=torch.Generator().manual_seed(1))
    chosen = algorithm.actor(0)(states.numpy(), np.random.default_rng(2))
    noise = np.random.default_rng(2).standard_normal((50, 2), dtype=np.float32).clip(-3.0, 3.0)
    repeated = states.repeat_interleave(10, dim=0)[None]
    drawn = algorithm.learner.policy.sample(repeated, torch.from_numpy(noise)[None])[0]
    value = algorithm.learner.critic.action_value(repeated, drawn).amin(1)
    for state in range(5):
        best = int(value[0, 10 * state : 10 * state + 10].argmax())
        np.testing.assert_allclose(chosen[state], drawn[0, 10 * state + best].detach().numpy(), atol=1e-6)
    for evaluation in algorithm.evaluations(EvaluationRequest(epoch=1)):
        evaluation()
    after = algorithm.state(0)
    assert all(np.array_equal(before[name], after[name], equal_nan=True) for name in before)


def test_a_seed_that_breaks_stops_with_the_name_of_its_metric_and_the_others_go_on(tmp_path: Path) -> None:
    class Breaking(AMPL):
        def improve_policy(self, epoch: int) -> Sequence[Metrics]:
            if epoch == 2:
                self.learner.critic.online.views["weight0"].detach()[-1] = torch.nan
            return super().improve_policy(epoch)

    def trained(seeds: list[int], out: Path) -> list[SeedResult]:
        algorithm = small_ampl(seeds)
        algorithm.__class__ = Breaking
        return train(algorithm, task="line", variant="main", epochs=3, out=out)

    going, stopped = (result.result for result in trained([0, 1], tmp_path))
    assert (going.status, going.epochs) == (Status.FINISHED, 3)
    assert (stopped.status, stopped.epochs) == (Status.STOPPED, 1)
    assert "'critic/loss' of seed 1 is nan in epoch 2" in stopped.message
    with pytest.raises(DivergedError, match="every seed has stopped"):
        trained([1], tmp_path / "alone")


def test_the_paper_settings_are_in_the_configuration_that_is_written() -> None:
    settings = small_ampl().config()
    assert settings["critic"]["lower_share"] == 0.75
    assert settings["regularizer"]["objective"] == "jensen-shannon"
    assert settings["weights"]["kind"] == "QMomentConfig"
    assert settings["schedule"]["retrain_period"] == 1


def test_certificates_are_in_the_task_s_reward_units_and_leave_training_alone() -> None:
    """The model learns rescaled rewards: what they promise is scaled, and shifted once for every discounted step."""
    plain = small_ampl()
    scaled = AMPL(line_table(), small_config(), (0,), surroundings(), reward_units=(2.0, -0.5))
    rows = []
    for algorithm in (plain, scaled):
        algorithm.fit_model(None)
        before = algorithm.state(0)
        rows.append(algorithm.evaluations(EvaluationRequest(epoch=1))[0]())
        assert all(np.array_equal(array, before[name]) for name, array in algorithm.state(0).items())
    measured = plain.surroundings.evaluation
    assert isinstance(measured, TaskEvaluation)
    returns = measured.model_returns(plain)
    made, endless = float(returns._length.mean()), float(returns.endless_length.mean())
    assert made < 0.9 * endless  # paths of the model are cut, and critics value what follows
    for name, length in (("certificate/model_return", made), ("certificate/value_estimate", endless)):
        assert rows[1][name] == pytest.approx(2.0 * rows[0][name] - 0.5 * length, rel=1e-5)
    assert rows[0]["certificate/model_penalty"] == 0.0
    assert rows[0]["evaluation/score_mean"] == rows[1]["evaluation/score_mean"]


def test_samples_without_rollouts_lack_the_model_s_branches() -> None:
    algorithm = small_ampl(variant="no-rollouts")
    algorithm.fit_model(None)
    algorithm.improve_policy(1)
    names = algorithm.samples()[0]
    assert {"offline_state", "model_state", "real_state"} <= set(names)
    assert "synthetic_state" not in names
