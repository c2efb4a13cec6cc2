"""`nbs mcp`, asked by the protocol's own client over standard input and output."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from bench_client import BenchClient
from service.cli.mcp_tools import TOOLS, _shrinking_answers

pytestmark = [
    pytest.mark.usefixtures("unmeasured"),
    pytest.mark.filterwarnings("ignore::bench_client.errors.SyntheticDataWarning"),
]

Asked = dict[str, tuple[bool, Any]]
WHERE = {"dataset": "cifar100", "num_epochs": 200}
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "all": ("benchmarks", {}),
    "one": ("benchmark", {"name": "nasbench201"}),
    "runs": ("query", {"benchmark": "nasbench201", "more": {"arch": 0, **WHERE}}),
    "top": (
        "top",
        {"benchmark": "nasbench201", "metric": "test_acc", **WHERE, "more": {"max_flops": 100}},
    ),
    "rank": ("rank", {"benchmark": "nasbench201", "arch": 3, "metric": "edgegpu_latency", **WHERE}),
    "too many": ("random", {"benchmark": "nasbench201", "n": 20_000}),
    "outside": ("query", {"benchmark": "nasbench201", "arch": 3}),
    "all runs": ("query", {"benchmark": "nasbench201", "more": {"num_epochs": 200}}),
    "misspelt": ("top", {"benchmark": "nasbench201", "metric": "tst_acc", **WHERE}),
    "missing": ("top", {"benchmark": "nasbench201"}),
    "surplus": ("rank", {"benchmark": "nasbench201", "arch": 0, "metric": "test_acc", "x": 1}),
    "no tool": ("evaluate", {"model": "proxyless-mobile"}),
    "private": ("__init__", {}),
    "bounds": ("top", {"benchmark": "nasbench201", "metric": "test_acc", "more": [1]}),
    "bound": ("top", {"benchmark": "nasbench201", "metric": "test_acc", **WHERE, "more": {"x": 1}}),
}


@pytest.fixture(scope="module")
def told(directory: Path) -> tuple[list[Any], Asked]:
    """The tools, and what each of the calls is answered: whether it is an error, and the text."""
    # Every process that collects the tests would load it, most of a second each.
    from mcp import StdioServerParameters, stdio_client  # noqa: PLC0415
    from mcp.client.session import ClientSession  # noqa: PLC0415

    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "service.cli", "mcp", "--data", str(directory)],
    )

    async def ask() -> tuple[list[Any], Asked]:
        async with (
            stdio_client(parameters) as (reading, writing),
            ClientSession(reading, writing) as session,
        ):
            await session.initialize()
            tools = (await session.list_tools()).tools
            answers = {}
            for name, (tool, arguments) in CALLS.items():
                answer = await session.call_tool(tool, arguments)
                (content,) = answer.content
                answers[name] = (bool(answer.is_error), content.text)
            return tools, answers

    return anyio.run(ask)


def test_every_tool_says_what_it_takes(told: tuple[list[Any], Asked]) -> None:
    tools, _ = told
    assert [tool.name for tool in tools] == list(TOOLS)
    for tool in tools:
        assert tool.description
        assert "Args:" not in tool.description
        assert tool.annotations.read_only_hint
        for name, schema in tool.input_schema["properties"].items():
            assert schema["description"], (tool.name, name)
    (top,) = [tool for tool in tools if tool.name == "top"]
    assert top.input_schema["required"] == ["benchmark", "metric"]
    assert top.input_schema["properties"]["n"]["default"] == 10


@pytest.mark.parametrize(
    ("name", "ask"),
    [
        ("runs", lambda bench: bench.query_nb201(0, 200, "cifar100")),
        (
            "top",
            lambda bench: bench.top("nasbench201", metric="test_acc", max_flops=100, **WHERE),
        ),
    ],
)
def test_answers_are_those_of_the_client(
    name: str,
    ask: Callable[[BenchClient], Any],
    told: tuple[list[Any], Asked],
    directory: Path,
) -> None:
    failed, text = told[1][name]
    answer = json.loads(text)
    with BenchClient.local(directory) as bench:
        expected = ask(bench)
    assert not failed
    assert answer["count"] == len(expected)
    assert answer["items"] == [item.model_dump(mode="json", exclude_none=True) for item in expected]
    assert answer["units"]["test_acc" if name == "runs" else "num_epochs"] in {"percent", "epochs"}


def test_metrics_that_are_asked_for_have_their_units(told: tuple[list[Any], Asked]) -> None:
    assert json.loads(told[1]["top"][1])["units"]["test_acc"] == "percent"
    assert json.loads(told[1]["rank"][1])["units"]["edgegpu_latency"] == "milliseconds"


def test_what_is_made_up_says_so_each_time_and_what_is_long_is_cut(
    told: tuple[list[Any], Asked],
) -> None:
    for name in ("runs", "top", "rank"):
        assert "made up" in json.loads(told[1][name][1])["notes"][0]
    every = json.loads(told[1]["all"][1])["items"]
    assert not any("fields" in one for one in every)
    assert json.loads(told[1]["one"][1])["answer"]["fields"]
    _, text = told[1]["one"]
    assert len(text) < 100_000
    many = json.loads(next(_shrinking_answers(list(range(1000)), [], {})))
    assert (many["items"], many["count"], many["left_out"]) == ([*range(50)], 1000, 950)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("misspelt", "test_acc"),
        ("missing", "metric is missing"),
        ("surplus", "'x' is unknown"),
        ("no tool", "there is no tool 'evaluate'"),
        ("too many", "n: 20000 is not in 1 to 12"),
        ("outside", "'arch' is unknown; filters and bounds are members of `more`"),
        ("private", "there is no tool '__init__'"),
        ("bounds", "more is an object"),
        ("all runs", "more needs an arch"),
        ("bound", "x"),
    ],
)
def test_a_wrong_call_is_told(name: str, says: str, told: tuple[list[Any], Asked]) -> None:
    failed, text = told[1][name]
    assert failed
    assert says in text
