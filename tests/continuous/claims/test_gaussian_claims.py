"""Every claim on linear-Gaussian problems comes out as expected, could have failed, and rests on right formulas."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.linalg import sqrtm

from ampl.claims import Verdict, read_claims
from ampl.claims.cases import CaseSpec
from ampl.claims.claim import Measurement, Relation, Tally
from ampl.claims.registry import find_claims
from ampl.claims.runner import replay, run_claims
from ampl.command_line.main import main
from continuous.claims import bounds, penalties
from continuous.claims.case import Case
from continuous.claims.contraction import total_variation
from continuous.claims.families import DISCOUNTS, FAMILIES, N_WIDE, build_case
from continuous.claims.registry import CLAIMS
from continuous.claims.sampling import mean_interval
from continuous.claims.source import CASES
from continuous.claims.weights import other_solution
from continuous.linear_gaussian.checks import Floats
from continuous.linear_gaussian.mixtures import GaussianMixture
from continuous.linear_gaussian.optimum import optimal_policy
from continuous.linear_gaussian.problem import LinearGaussianMDP
from continuous.linear_gaussian.returns import action_value

BY_NAME = {claim.name: claim for claim in CLAIMS}
SPECS = [
    CaseSpec(family=family, index=index, seed=0, kind="continuous")
    for family, count in (("drift", 9), ("wide", N_WIDE), ("runaway", 8), ("scalar", 6), ("exact", 3), ("random", 24))
    for index in range(count)
]


@pytest.fixture(scope="module")
def tallies() -> dict[str, Tally]:
    return run_claims(CLAIMS, SPECS, 1, lambda _: None)


def case_of(family: str, index: int) -> Case:
    return build_case(CaseSpec(family=family, index=index, seed=0, kind="continuous"))


def measured(name: str, case: Case) -> Measurement:
    found = BY_NAME[name].assess(case)
    assert isinstance(found, Measurement)
    return found


def test_every_claim_gets_its_expected_verdict_on_sixty_eight_problems(tallies: dict[str, Tally]) -> None:
    assert {name: found.verdict for name, found in tallies.items()} == {claim.name: claim.expected for claim in CLAIMS}
    undecided = {name for name, found in tallies.items() if found.undecided}
    assert undecided <= {"gaussian-proposition2-l1", "gaussian-mopo-lower-bound", "gaussian-mopo-two-sided"}


# The largest ratio of left to right that the cases above must reach: a bound smaller by that factor is contradicted.
REACHED = {
    "gaussian-riccati-optimum": 0.99,
    "gaussian-theorem1-printed": 0.73,
    "gaussian-theorem1-sqrt2": 0.36,
    "gaussian-theorem1-sharp": 0.36,
    "gaussian-theorem1-sharp-half": 0.73,
    "gaussian-theorem1-never-vacuous": 0.98,
    "gaussian-lower-bound": 0.25,
    "gaussian-proposition2-l1": 0.7,
    "gaussian-proposition2-shifted": 0.9,
    "gaussian-value-error-tv": 0.6,
    "gaussian-value-error-halfway": 0.999,
    "gaussian-mopo-lower-bound": 0.3,
    "gaussian-mopo-two-sided": 0.3,
    "gaussian-mopo-lipschitz": 0.45,
    "gaussian-mopo-wasserstein": 0.9,
}


def test_no_bound_that_holds_could_be_much_smaller(tallies: dict[str, Tally]) -> None:
    bounds_that_hold = {
        claim.name for claim in CLAIMS if claim.expected is Verdict.HOLDS and claim.relation is Relation.AT_MOST
    }
    assert bounds_that_hold == set(REACHED)
    assert {name for name, ratio in REACHED.items() if tallies[name].worst < ratio} == set()


def _with(case: Case, **wrong: object) -> Case:
    """The case with wrong quantities in the place of its cached ones; its returns are computed before."""
    for name in ("expected_return", "divergence", "quadratic_return", "quadratic_return_in_model"):
        getattr(case, name)
    vars(case).update(wrong)
    return case


def of_behavior(case: Case) -> Case:
    return _with(case, policy_occupancy=case.behavior_occupancy)


def of_truth(case: Case) -> Case:
    return _with(case, model_occupancy=case.policy_occupancy)


def too_much(case: Case) -> Case:
    law = case.policy_occupancy
    return _with(case, policy_occupancy=GaussianMixture(1.01 * law.shares, law.means, law.covariances))


class _Misjudged(GaussianMixture):
    """A mixture whose density is wrong, though its means and covariances are right."""

    def log_density(self, points: Floats) -> Floats:
        """Of no law at all."""
        return 3.0 * super().log_density(points) - 7.0 + points[:, 0]


@pytest.mark.parametrize("name", ["gaussian-weights-mean", "gaussian-weights-return"])
def test_weights_by_a_wrong_density_of_the_data_are_seen(name: str) -> None:
    claim = BY_NAME[name]
    seen = 0
    for index in range(6):
        case = case_of("scalar", index)
        data = case.behavior_occupancy
        wrong = _Misjudged(data.shares, data.means, data.covariances)
        with np.errstate(over="ignore"):
            found = claim.assess(_with(case, behavior_occupancy=wrong))
        if isinstance(found, Measurement):
            assert claim.is_violated(found)
            seen += 1
    assert seen > 0


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("gaussian-return-two-routes", of_behavior),
        ("gaussian-chain-rule", of_behavior),
        ("gaussian-weights-mean", too_much),
        ("gaussian-weights-return", of_behavior),
        ("gaussian-weights-fixed-point", of_behavior),
        ("gaussian-moment-condition", of_behavior),
        ("gaussian-moment-is-the-return", of_behavior),
        ("gaussian-telescoping", of_truth),
        ("gaussian-return-under-model", of_truth),
    ],
)
def test_an_identity_fails_with_the_wrong_occupancy(name: str, spoil: Callable[[Case], Case]) -> None:
    claim = BY_NAME[name]
    right, wrong = ([claim.assess(change(case_of("scalar", index))) for index in range(6)] for change in (_with, spoil))
    assert not any(isinstance(found, Measurement) and claim.is_violated(found) for found in right)
    assert any(isinstance(found, Measurement) and claim.is_violated(found) for found in wrong)


def test_every_identity_that_holds_is_spoiled_above() -> None:
    (mark,) = test_an_identity_fails_with_the_wrong_occupancy.pytestmark  # type: ignore[attr-defined]
    identities = {
        claim.name for claim in CLAIMS if claim.expected is Verdict.HOLDS and claim.relation is Relation.EQUAL
    }
    assert identities == {name for name, _ in mark.args[1]}


def test_the_optimum_of_another_discount_is_beaten(monkeypatch: pytest.MonkeyPatch) -> None:
    def shortsighted(mdp: LinearGaussianMDP) -> object:
        return optimal_policy(
            LinearGaussianMDP(mdp.dynamics, mdp.initial_mean, mdp.initial_covariance, mdp.reward, 0.0)
        )

    monkeypatch.setattr(bounds, "optimal_policy", shortsighted)
    claim = BY_NAME["gaussian-riccati-optimum"]
    cases = [case_of("random", index) for index in range(10)]
    found = [claim.assess(case) for case in cases if case.discount >= 0.9]
    assert any(isinstance(each, Measurement) and claim.is_violated(each) for each in found)


def test_another_law_satisfies_the_moment_condition_and_is_no_occupancy() -> None:
    case = case_of("random", 1)
    other = other_solution(case)
    assert other is not None
    assert case.mean_reward(other) == pytest.approx(case.expected_return, rel=1e-12)
    samples = case.mdp.reward(other.sample(20_000, np.random.default_rng(0)))
    assert samples.mean() == pytest.approx(case.expected_return, abs=6.0 * samples.std() / np.sqrt(20_000))


def test_a_bell_shaped_reward_reaches_exp_minus_half_of_the_half_bound_if_the_model_is_shifted_by_little() -> None:
    """d/dm of exp(-m'm/4)/sqrt(2), largest at m = sqrt(2): exp(-1/2)/2 a step, against a half of the shift."""
    case = case_of("drift", 0)
    assert case.discount == 0.01
    found = measured("gaussian-theorem1-sharp-half", case)
    assert found.left / found.right == pytest.approx(np.exp(-0.5), rel=0.01)


def test_a_model_far_too_wide_reaches_more_of_the_half_bound() -> None:
    """N(0, 1) against N(0, 77.2) under the bell exp(-0.29 s^2 / 2): a gap of 0.674, a KL divergence of 1.680."""
    gap, kl = 1.29**-0.5 - (1.0 + 77.2 * 0.29) ** -0.5, 0.5 * (1.0 / 77.2 - 1.0 + np.log(77.2))
    case = case_of("wide", 0)
    found = measured("gaussian-theorem1-sharp-half", case)
    assert case.model_part == pytest.approx(kl)
    assert found.left == pytest.approx(case.discount * gap)
    assert found.left / found.right == pytest.approx(gap / np.sqrt(kl / (2.0 * (1.0 - case.discount))))
    assert 0.734 < found.left / found.right < 0.736


def test_total_variation_is_the_integral_of_the_densities() -> None:
    points = np.linspace(-30.0, 30.0, 400_001)
    densities = [np.exp(-((points - mean) ** 2) / 8.0) / np.sqrt(8.0 * np.pi) for mean in (0.0, 3.0)]
    exact = 0.5 * np.abs(densities[0] - densities[1]).sum() * (points[1] - points[0])
    assert float(total_variation(np.array([3.0]), np.array([[4.0]]))) == pytest.approx(exact, rel=1e-6)


def test_the_interval_of_a_mean_is_maurer_and_pontils_and_covers() -> None:
    still = mean_interval(np.full(101, 0.25), 0.0, 1.0)
    assert still == pytest.approx((0.25 - 7 * np.log(4e6) / 300, 0.25 + 7 * np.log(4e6) / 300))
    generator = np.random.default_rng(0)
    for chance in (0.01, 0.5):
        for _ in range(200):
            lower, upper = mean_interval((generator.random(500) < chance).astype(np.float64), 0.0, 1.0)
            assert lower <= chance <= upper


def test_the_coupling_is_the_optimal_one() -> None:
    case = next(found for found in map(partial(case_of, "random"), range(20))
                if found.size[0] > 2 and not found.has_noise_of_truth)  # fmt: skip
    model, truth = case.model.covariance, case.mdp.dynamics.covariance
    root = np.real(sqrtm(model))
    square, middle = penalties._coupling(case)
    assert square == pytest.approx(np.trace(model + truth - 2.0 * np.real(sqrtm(root @ truth @ root))), rel=1e-7)
    assert np.trace(4.0 * middle) + square == pytest.approx(2.0 * np.trace(model + truth))  # parallelogram


def test_the_value_is_no_steeper_than_its_lipschitz_constant() -> None:
    for case in map(partial(case_of, "random"), range(12)):
        bound = measured("gaussian-mopo-lipschitz", case).right
        distance = np.sqrt(penalties._mean_square_apart(case, np.eye(case.size[0])) + penalties._coupling(case)[0])
        generator = np.random.default_rng(0)
        states = generator.standard_normal((40, case.size[0]))
        pairs = np.hstack((states, case.policy.mean(states)))
        aside = 1e-4 * generator.standard_normal(states.shape)
        moved = np.hstack((states + aside, case.policy.mean(states + aside)))
        rise = np.abs(action_value(case.mdp, case.policy, pairs) - action_value(case.mdp, case.policy, moved))
        assert (case.discount * rise / np.linalg.norm(aside, axis=1) <= bound / distance * (1.0 + 1e-6) + 1e-9).all()


@pytest.mark.parametrize("family", list(FAMILIES))
def test_the_same_specification_gives_the_same_case_and_a_stable_one(family: str) -> None:
    for index in range(len(DISCOUNTS)):
        one, other = case_of(family, index), case_of(family, index)
        assert one.mdp.dynamics.state_matrix.tobytes() == other.mdp.dynamics.state_matrix.tobytes()
        assert (one.expected_return_in_model, one.seed) == (other.expected_return_in_model, other.seed)
        assert np.isfinite(one.model_part)


def test_the_number_of_processes_does_not_change_the_result_with_both_kinds() -> None:
    names = ("theorem1-sharp", "gaussian-theorem1-sharp", "gaussian-proposition2-l1")
    claims = [find_claims()[name] for name in names]
    finite = [CaseSpec(family="random", index=index, seed=0) for index in range(30)]
    one, two = (run_claims(claims, [*finite, *SPECS[:30]], workers, lambda _: None) for workers in (1, 2))
    assert one == two
    assert (one[names[0]].cases, one[names[1]].cases) == (30, 30)


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """The worst case of a claim that fails."""
    monkeypatch.chdir(tmp_path)
    run = ("--claims", "gaussian-mopo-unbounded", "--quick", "--cases", "3", "--workers", "1")
    assert main(["verify", *run, "--report", "report", "--json", "claims.json", "--gallery", "gallery"]) == 0
    shown = capsys.readouterr().out
    assert "Without a picture, for only finite MDPs are drawn: gaussian-mopo-unbounded." in shown
    assert "continuous" in shown
    return tmp_path / "report/cases/gaussian-mopo-unbounded.npz"


def test_a_saved_case_replays_to_the_last_digit(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (record,) = read_claims(Path("claims.json"))
    for path in (saved, Path("gallery/gaussian-mopo-unbounded.npz")):
        claim, measurement, recorded = replay(path, find_claims())
        assert claim.value(measurement) == recorded
        assert claim.is_violated(measurement)
    assert replay(saved, find_claims())[2] == record.worst
    assert main(["verify", "--replay", str(saved)]) == 0
    assert "contradicts the claim" in capsys.readouterr().out
    assert [path.name for path in Path("gallery").iterdir() if path.suffix == ".png"] == []


def test_a_saved_case_with_other_arrays_is_one_line(saved: Path, mistake: Callable[..., str]) -> None:
    arrays = dict(np.load(saved))
    for name, value, words in (
        ("discount", 1.0, "discount is 1.0; expected a number in [0, 1)"),
        ("policy_gain", np.zeros((1, 3)), "the dynamics need (1, 1)"),
        ("model_covariance", [[-1.0]], "covariance of the dynamics has the eigenvalue -1"),
        ("seed", [1, 2], "array 'seed' is int64 [2]; expected one number"),
    ):
        np.savez("odd.npz", **arrays | {name: np.array(value)})
        line = mistake("verify", "--replay", "odd.npz")
        assert "odd.npz" in line
        assert words in line


def test_an_mdp_is_no_case_for_a_continuous_claim(mistake: Callable[..., str]) -> None:
    line = mistake("verify", "--mdp", "frozenlake-4x4", "--claims", "gaussian-theorem1-sqrt2")
    assert "--mdp is a finite MDP; the claim 'gaussian-theorem1-sqrt2' is on continuous cases" in line


def test_a_run_has_a_few_thousand_problems_and_a_quick_one_a_few_hundred() -> None:
    assert 2000 <= len(CASES.specs(seed=0, quick=False, count=None)) <= 5000
    assert 150 <= len(CASES.specs(seed=0, quick=True, count=None)) <= 500
