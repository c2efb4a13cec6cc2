from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from waiting import until

from bench_client import (
    AsyncBenchClient,
    BenchClient,
    BudgetExhausted,
    Evaluation,
    InvalidArchitectureError,
)

if TYPE_CHECKING:
    from tests.bench_client.conftest import BenchmarkServer, MakeReply

pytestmark = pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")


def blocking(bench: BenchClient) -> tuple[Evaluation, ...]:
    with bench:
        simulation = bench.simulate("nasbench201", "cifar100", 200, budget=750, seed=3)
        simulation.evaluate(0, num_epochs=12)
        with pytest.raises(BudgetExhausted):
            simulation.evaluate_many(range(10))
        return simulation.evaluations


async def awaited(bench: AsyncBenchClient) -> tuple[Evaluation, ...]:
    async with bench:
        simulation = bench.simulate("nasbench201", "cifar100", 200, budget=750, seed=3)
        await simulation.evaluate(0, num_epochs=12)
        with pytest.raises(BudgetExhausted):
            await simulation.evaluate_many(range(10))
        return simulation.evaluations


def test_every_client_simulates_the_same(server: BenchmarkServer, databases: Path) -> None:
    found = [
        blocking(BenchClient.local(databases)),
        blocking(BenchClient(server.url)),
        asyncio.run(awaited(AsyncBenchClient.local(databases))),
        asyncio.run(awaited(AsyncBenchClient(server.url))),
    ]
    assert len(found[0]) == 7
    assert found[1:] == found[:1] * 3


def test_tasks_side_by_side_are_charged_in_the_order_in_which_they_began(
    server: BenchmarkServer,
) -> None:
    async def searched() -> list[Evaluation]:
        async with AsyncBenchClient(server.url) as bench:
            simulation = bench.simulate("nasbench201", "cifar100", 200, budget=1e9)
            order = [arch % 60 for arch in range(0, 420, 7)]
            found = await asyncio.gather(*map(simulation.evaluate, order))
            assert tuple(found) == simulation.evaluations
            return found

    first, second = asyncio.run(searched()), asyncio.run(searched())
    assert first == second
    assert [one.position for one in first] == list(range(60))


def test_an_answer_that_comes_first_waits_for_its_turn(
    server: BenchmarkServer, reply: MakeReply
) -> None:
    async def searched() -> list[tuple[int, float]]:
        async with AsyncBenchClient(server.url) as bench:
            simulation = bench.simulate("nasbench201", "cifar100", 200, budget=1e9)
            await simulation.evaluate(0)
            slow = await asyncio.to_thread(_answer_to_the_first_question, server)
            server.received.clear()
            server.will_answer(reply(200, slow, delay=0.3))
            late = asyncio.create_task(simulation.evaluate(0))
            await asyncio.to_thread(_wait_for_a_request, server)
            early = asyncio.create_task(simulation.evaluate(1))
            await asyncio.wait([late, early], return_when=asyncio.FIRST_COMPLETED)
            assert late.done()
            return [(one.position, one.time) for one in (await late, await early)]

    assert asyncio.run(searched()) == [(1, 200.0), (2, 300.0)]


def _wait_for_a_request(server: BenchmarkServer) -> None:
    until(lambda: server.received, what="a request", pause=0.005)


def _answer_to_the_first_question(server: BenchmarkServer) -> bytes:
    asked = server.received[0]
    answer = httpx.get(server.url + asked.path, params=asked.query, trust_env=False)
    return answer.content


def test_who_gives_up_is_not_charged_and_holds_nobody_up(
    server: BenchmarkServer, reply: MakeReply
) -> None:
    async def searched() -> list[int]:
        async with AsyncBenchClient(server.url) as bench:
            simulation = bench.simulate("nasbench201", "cifar100", 200, budget=1e9)
            server.will_answer(reply(200, delay=5.0))
            stuck = asyncio.create_task(simulation.evaluate(0))
            await asyncio.to_thread(_wait_for_a_request, server)
            behind = [asyncio.create_task(simulation.evaluate(arch)) for arch in (1, 2, 3)]
            impatient = behind.pop(0)
            await asyncio.sleep(0.1)
            impatient.cancel()
            await asyncio.sleep(0)
            assert not any(task.done() for task in behind)
            stuck.cancel()
            return [one.position for one in await asyncio.gather(*behind)]

    assert asyncio.run(searched()) == [0, 1]


def test_a_failure_among_tasks_leaves_the_others_their_turns(databases: Path) -> None:
    async def searched() -> list[Evaluation | BaseException]:
        async with AsyncBenchClient.local(databases) as bench:
            simulation = bench.simulate("nasbench201", "cifar100", 200, budget=250)
            asked = (simulation.evaluate(arch) for arch in (0, "x", 1, 2, 3))
            return await asyncio.gather(*asked, return_exceptions=True)

    first, malformed, second, third, fourth = asyncio.run(searched())
    assert isinstance(malformed, InvalidArchitectureError)
    assert isinstance(first, Evaluation)
    assert isinstance(second, Evaluation)
    assert (first.time, second.time) == (100.0, 200.0)
    assert isinstance(third, BudgetExhausted)
    assert isinstance(fourth, BudgetExhausted)


def test_batches_side_by_side_take_turns_as_well(databases: Path) -> None:
    async def searched() -> list[list[int]]:
        async with AsyncBenchClient.local(databases) as bench:
            simulation = bench.simulate("nasbench201", "cifar100", 200, budget=1e9)
            batches = await asyncio.gather(
                simulation.evaluate_many(range(40)), simulation.evaluate_many([0, 1])
            )
            return [[one.position for one in batch] for batch in batches]

    assert asyncio.run(searched()) == [list(range(40)), [40, 41]]
