"""`ampl bench`: operations are counted as by hand, products are replayed as they were, numbers follow from times."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from ampl.arithmetic import DEFAULT
from ampl.errors import ForeignFileError, InvalidArgumentError
from continuous.commands.bench import advice, workload
from continuous.commands.bench.command import Bench
from continuous.commands.bench.counting import Product, Work, observe, observe_step
from continuous.commands.bench.loops import Loop, ampl_loops, damo_loops, mopo_loops
from continuous.commands.bench.measuring import Measurement, evaluation_shares, measure, summary
from continuous.commands.bench.replay import Replay
from continuous.commands.bench.report import print_report
from continuous.commands.bench.workload import Workload
from continuous.networks.stacks import StackedMLP, leaky_relu
from continuous.networks.streams import cpu_generator
from tests.continuous.algorithms.small_ampl import small_config
from tests.continuous.algorithms.small_model_based import damo_config, mopo_config

TINY = Workload(
    ampl=small_config(),
    mopo=mopo_config(),
    damo=damo_config(),
    rows=200,
    paths=20,
    model_rows=60,
    episode_steps=3,
    seeds=(1, 2),
)
LOOPS = {
    "AMPL iteration",
    "AMPL weights (MIW)",
    "AMPL dynamics",
    "AMPL rollout",
    "AMPL evaluation",
    "MOPO update",
    "MOPO dynamics",
    "MOPO rollout, penalized",
    "MOPO evaluation",
    "DAMO update",
}
COPIES, ROWS, WIDTHS = 3, 8, (5, 7, 2)


def forward_and_backward() -> None:
    generators = [cpu_generator(copy, "test") for copy in range(COPIES)]
    network = StackedMLP((COPIES,), WIDTHS, leaky_relu, generators)
    network.parameters.gradient(network(torch.ones(COPIES, ROWS, WIDTHS[0])).square().sum())


def test_forward_and_backward_of_a_small_network_count_as_by_hand() -> None:
    work = observe(forward_and_backward)
    first, second = COPIES * ROWS * 5 * 7 * 2, COPIES * ROWS * 7 * 2 * 2
    weights_of_both, inputs_of_the_second = first + second, second
    assert work.flops == first + second + weights_of_both + inputs_of_the_second
    with FlopCounterMode(display=False) as counter:
        forward_and_backward()
    assert counter.get_total_flops() == work.flops
    numbers_of_first = COPIES * (ROWS * 5 + 5 * 7 + ROWS * 7)  # inputs, weights, outputs, or the slopes of one of them
    numbers_of_second = COPIES * (ROWS * 7 + 7 * 2 + ROWS * 2)
    assert work.product_bytes == 4 * (2 * numbers_of_first + 3 * numbers_of_second)
    assert work.traffic > work.product_bytes


def test_bytes_of_an_expanded_operand_count_its_distinct_elements() -> None:
    left, right = torch.ones(1, 4, 6).expand(3, 4, 6), torch.ones(3, 6, 2)
    (product,) = observe(lambda: torch.bmm(left, right)).products
    assert product.bytes == 4 * (4 * 6 + 3 * 6 * 2 + 3 * 4 * 2)
    assert product.flops == 2 * 3 * 4 * 6 * 2


@pytest.mark.parametrize(
    "call",
    [
        lambda a, b, c: torch.mm(a[0], b[0]),
        lambda a, b, c: torch.mm(a[0], b[0], out=torch.empty(4, 2)),
        lambda a, b, c: torch.addmm(c[0], a[0], b[0]),
        lambda a, b, c: c[0].clone().addmm_(a[0], b[0]),
        lambda a, b, c: torch.baddbmm(c, a, b),
        lambda a, b, c: c.clone().baddbmm_(a, b),
        lambda a, b, c: a @ b,
        lambda a, b, c: torch.nn.functional.linear(a[0], b[0].mT),
    ],
)
def test_every_kind_of_product_is_seen_and_can_be_replayed(call: Any) -> None:
    a, b, c = torch.ones(3, 4, 6), torch.ones(3, 6, 2), torch.ones(3, 4, 2)
    work = observe(lambda: call(a, b, c))
    assert work.flops in (2 * 4 * 6 * 2, 3 * 2 * 4 * 6 * 2)
    assert observe(Replay(work.products, "cpu")).flops == work.flops


def shapes(products: tuple[Product, ...]) -> Counter[Any]:
    return Counter((product.operation, product.operands, product.result) for product in products)


def test_a_replay_computes_the_same_products_in_the_same_layouts() -> None:
    products = observe(forward_and_backward).products
    replay = Replay(products, "cpu")
    work = observe(replay)
    assert shapes(work.products) == shapes(products)
    assert any(operand.stride[-1] != 1 for product in products for operand in product.operands)  # a transposed factor
    assert work.operations == len(products)
    layouts = {(place, layout) for product in products for place, layout in enumerate(product.operands)}
    assert replay.tensors == len(layouts | {(-1, product.result) for product in products})


def test_a_step_is_two_steps_less_one() -> None:
    def run(steps: int) -> None:
        for _ in range(steps):
            torch.ones(4, 6) @ torch.ones(6, 2)
        torch.ones(9, 9) @ torch.ones(9, 9)  # around the steps

    work = observe_step(run)
    assert work.flops == 2 * 4 * 6 * 2
    assert (work.operations, len(work.products)) == (3, 1)


def test_steps_that_are_not_alike_are_refused() -> None:
    def run(steps: int) -> None:
        for step in range(steps):
            torch.ones(4 + step, 6) @ torch.ones(6, 2)

    with pytest.raises(AssertionError):
        observe_step(run)


@pytest.mark.parametrize("seeds", [1, 2])
def test_pytorchs_own_counter_agrees_on_every_loop(seeds: int) -> None:
    loops = [
        loop
        for make in (ampl_loops, mopo_loops, damo_loops)
        for loop in make(TINY, range(seeds), "cpu", DEFAULT)
    ]  # fmt: skip
    assert {loop.name for loop in loops} == LOOPS
    for loop in loops:
        with FlopCounterMode(display=False) as counter:
            loop.observed(1)
        assert counter.get_total_flops() == observe(lambda loop=loop: loop.observed(1)).flops, loop.name
        acts_in_numpy = loop.name == "AMPL evaluation"  # and has no certificates: PyTorch sees no product
        assert (observe_step(loop.observed).flops > 0) != acts_in_numpy, loop.name


def test_work_of_a_seed_does_not_depend_on_the_seeds_beside_it() -> None:
    def flops(seeds: int) -> dict[str, float]:
        loops = [*ampl_loops(TINY, range(seeds), "cpu", DEFAULT), *damo_loops(TINY, range(seeds), "cpu", DEFAULT)]
        return {loop.name: observe_step(loop.observed).flops / seeds for loop in loops}

    assert flops(1) == flops(3)


def products_loop(products: bool = True, **changes: Any) -> Loop:
    left = torch.ones(64, 64)

    def run(count: int) -> None:
        for _ in range(count):
            left @ left if products else left.tanh()

    return replace(
        Loop(name="x", unit="steps", seeds=2, units=3, run=run, observed=run), **changes
    )  # fmt: skip


def test_numbers_of_a_unit_follow_from_times_of_a_step() -> None:
    loop, layout = products_loop(), observe(lambda: torch.ones(2, 3) @ torch.ones(3, 5)).products
    work = Work(products=layout, operations=7, traffic=600)
    found = summary(loop, work, [2.0, 4.0, 8.0], [1.0, 1.0, 1.0])
    assert found.per_second == 6 / 4.0  # 2 seeds, 3 units a step
    assert found.flops == 2 * 2 * 3 * 5 / 6
    assert (found.traffic_bytes, found.operations) == (100.0, 7)
    assert (found.lowest_utilization, found.utilization, found.highest_utilization) == (0.125, 0.25, 0.5)
    assert found.attainable == pytest.approx(60.0 / 1.0)
    assert found.reached == pytest.approx(60.0 / 4.0)


@pytest.mark.parametrize("surrounded", [False, True])
def test_a_loop_of_products_alone_uses_them_fully(surrounded: bool) -> None:
    found = measure(products_loop(surrounded=surrounded), "cpu", seconds=0.05, rounds=3)
    assert found.flops == 2 * 64**3 / 6
    assert found.utilization is not None
    assert found.utilization > 0.0


def test_a_loop_without_products_has_no_utilization(capsys: pytest.CaptureFixture[str]) -> None:
    found = measure(products_loop(products=False), "cpu", seconds=0.02, rounds=2)
    assert (found.flops, found.needed_seconds, found.utilization, found.attainable) == (0.0, None, None, None)
    print_report([found], [], {"device": "Abacus", "torch": "2", "threads": 1, "precision": "highest"})
    row = capsys.readouterr().out.splitlines()[2].split()
    assert row.count("-") == 6


def test_the_share_of_an_evaluation_is_of_whole_episodes_beside_an_epochs_updates() -> None:
    row: dict[str, Any] = dict.fromkeys(Measurement.__dataclass_fields__, 1.0) | {"unit": "x", "seeds": 5}
    loops = {"AMPL iteration": 0.002, "AMPL evaluation": 0.0001, "MOPO update": 0.003, "MOPO evaluation": 0.0003}
    found = evaluation_shares([Measurement(**(row | {"loop": name, "seconds": each})) for name, each in loops.items()])
    assert [(share.algorithm, share.seeds) for share in found] == [("AMPL", 5), ("MOPO", 5)]
    assert found[0].evaluation_seconds == pytest.approx(0.0001 * 5 * 10 * 1000)
    assert found[0].update_seconds == pytest.approx(0.002 * 5 * 1000)
    assert found[0].share == pytest.approx(1.0 / 3.0)
    assert found[1].share == pytest.approx(0.5)


def test_the_command_measures_every_loop_and_writes_what_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(workload, "PUBLISHED", TINY)
    path = tmp_path / "bench.json"
    before = torch.get_num_threads()
    assert Bench(json=path, device="cpu", threads=1, seconds=0.05, quick=True).run() == 0
    assert torch.get_num_threads() == before
    record = json.loads(path.read_text())
    assert record["written_by"] == "ampl-testbed bench"
    assert {"date", "device", "torch", "threads", "precision", "rows", "evaluation"} <= set(record)
    assert {(row["loop"], row["seeds"]) for row in record["rows"]} == {
        (name, count) for name in LOOPS for count in (1, 2)
    }
    assert all(row.keys() == Measurement.__dataclass_fields__.keys() for row in record["rows"])
    with_products = [row for row in record["rows"] if row["loop"] != "AMPL evaluation"]  # which is numpy's alone
    assert all(row["utilization"] > 0.0 and row["needed_seconds"] > 0.0 for row in with_products)
    assert [(share["algorithm"], share["seeds"]) for share in record["evaluation"]] == [
        ("AMPL", 1), ("AMPL", 2), ("MOPO", 1), ("MOPO", 2),
    ]  # fmt: skip
    printed = capsys.readouterr().out
    assert all(name in printed for name in LOOPS)
    assert printed.count("of both.") == 4
    assert Bench(json=path, device="cpu", threads=1, seconds=0.01, quick=True).run() == 0  # its own file is replaced


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_a_measuring_time_out_of_range_is_refused(seconds: float) -> None:
    with pytest.raises(InvalidArgumentError, match="--seconds"):
        Bench(seconds=seconds).run()


def test_no_threads_are_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="--threads"):
        Bench(threads=0).run()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there_is_an_error() -> None:
    with pytest.raises(InvalidArgumentError, match="--device cpu"):
        Bench(device="cuda").run()


def test_a_file_that_is_not_ours_stays(tmp_path: Path) -> None:
    path = tmp_path / "notes.json"
    path.write_text('{"mine": 1}')
    with pytest.raises(ForeignFileError):
        Bench(json=path).run()
    assert path.read_text() == '{"mine": 1}'


@pytest.mark.parametrize(
    ("seconds", "errors", "lines"),
    [
        ((1.0, 0.5, 0.4), (1e-7, 2e-3), ["high: products take 0.50 times as long and err by 1e-07, as plain",
                                         "medium: products take 0.40 times as long and err by 2e-03, more than plain"]),
        ((1.0, 0.9, 1.2), (1e-7, 1e-7), []),
    ],
)  # fmt: skip
def test_advice_names_precisions_that_are_clearly_faster(
    monkeypatch: pytest.MonkeyPatch, seconds: Sequence[float], errors: Sequence[float], lines: Sequence[str]
) -> None:
    times, found = iter(seconds), iter(errors)
    monkeypatch.setattr(advice, "product_seconds", lambda factors: next(times))
    monkeypatch.setattr(advice, "product_error", lambda factors: next(found))
    before = torch.get_float32_matmul_precision()
    said = advice.precision_advice("cpu")
    assert len(said) == len(lines)
    assert all(line.startswith(f"--precision {expected}") for line, expected in zip(said, lines, strict=True))
    assert torch.get_float32_matmul_precision() == before


def test_plain_products_err_like_float32() -> None:
    factors = torch.randn(2, 2, 256, 256, generator=torch.Generator().manual_seed(0))
    assert 1e-8 < advice.product_error(factors) < 1e-6
