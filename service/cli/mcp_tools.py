"""`nbs mcp`: queries of the client as tools of the Model Context Protocol, for agents.

A tool is a read-only method of `BenchClient`, with its name, parameters, types and documentation,
so that nothing is described twice. Each answer has the units of its figures, and says if they are
synthetic.

Each call creates a client. A client that is reused warns of synthetic figures only once, which an
agent may have forgotten by the next call; and it stays with the version of a table that it saw
first, although an agent may run for days.
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError

from missing_extra import needs
from service.cli.options import DataDirectory, Url, client

if TYPE_CHECKING:
    from mcp.server.lowlevel.server import Server

    from bench_client import BenchClient

__all__ = ["TOOLS", "mcp"]

TOOLS: Final = (
    "benchmarks",
    "benchmark",
    "query",
    "top",
    "pareto",
    "rank",
    "correlation",
    "distribution",
    "random",
    "neighbors",
)
"""Methods of the client that are tools. None of them changes anything or submits a job."""

_MORE: Final = "more"
"""The parameter for the keyword arguments of a method, such as bounds."""
_MOST_ITEMS: Final = 50
_MOST_CHARACTERS: Final = 100_000
_INSTRUCTIONS: Final = (
    "Published results of neural architecture search. Call `benchmarks` first to list them, and "
    "`benchmark` for the fields of one, with units. `units` of an answer has the units of its "
    "figures, by name; null means not recorded. If `notes` say that numbers are made up, they are "
    "not results: tell the user. An answer has at most "
    f"{_MOST_ITEMS} items and {_MOST_CHARACTERS:,} characters; `count` is the number of items and "
    "`left_out` the number of omitted ones: request fewer, or set bounds."
)
_ADDED: Final = {
    ("query", _MORE): " `arch` is required; there are `dataset`, `num_epochs`, `reduction` (mean, "
    "std, min or max over runs) and others, by benchmark.",
}
"""Additions to the documentation of parameters, for agents."""
_METRICS: Final = ("metric", "x", "y")
"""Parameters that are names of metrics."""


def mcp(*, url: Url = None, data: DataDirectory = None) -> None:
    """Offer queries to an agent as tools of the Model Context Protocol, on standard input.

    The agent starts this command itself, such as `nbs mcp --url http://127.0.0.1:8000`. All tools
    are queries: nothing is changed, and no job is submitted.
    """
    with needs("mcp", "the server of tools"):
        import anyio
        from mcp.server.stdio import stdio_server

    async def run(server: Server[Any]) -> None:
        async with stdio_server() as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())

    connect = partial(client, url, data)
    # Connects once, to report a wrong URL or folder at the start.
    connect().close()
    anyio.run(run, _server(connect))


def _server(connect: Callable[[], BenchClient]) -> Server[Any]:
    """Return a server of the tools, which creates a client for each call."""
    import anyio
    import mcp_types as types
    from mcp.server.lowlevel.server import Server

    from bench_client.errors import BenchError

    # Calls run one at a time, as recorded warnings are global to the process.
    one_at_a_time = anyio.CapacityLimiter(1)

    def asked_anew(name: str, arguments: dict[str, Any]) -> str:
        with connect() as bench:
            return _answer(bench, name, arguments)

    async def listed(*_: Any) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[types.Tool(**_tool(name)) for name in TOOLS])

    async def called(_: Any, asked: types.CallToolRequestParams) -> types.CallToolResult:
        try:
            text = await anyio.to_thread.run_sync(
                partial(asked_anew, asked.name, dict(asked.arguments or {})),
                limiter=one_at_a_time,
            )
        except (BenchError, _WrongCallError) as error:
            content = [types.TextContent(type="text", text=_told(error)[:_MOST_CHARACTERS])]
            return types.CallToolResult(content=content, is_error=True)
        return types.CallToolResult(content=[types.TextContent(type="text", text=text)])

    return Server(
        "nas-bench-service",
        instructions=_INSTRUCTIONS,
        on_list_tools=listed,
        on_call_tool=called,
    )


class _WrongCallError(ValueError):
    """A call names an unknown tool, or has wrong arguments."""


def _told(error: Exception) -> str:
    """Return the message of an error, with the name of its parameter."""
    said = str(error)
    first = next(iter(getattr(error, "errors", ())), None)
    name = str(first.loc[-1]) if first is not None and first.loc else ""
    return f"{name}: {said}" if name and not re.search(rf"\b{re.escape(name)}\b", said) else said


def _tool(name: str) -> dict[str, Any]:
    """Return the definition of a tool: name, documentation and parameters."""
    from bench_client import BenchClient

    method = getattr(BenchClient, name)
    text, told = _documented(inspect.getdoc(method) or "")
    properties: dict[str, Any] = {}
    required = []
    for parameter in inspect.signature(method).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL or parameter.name == "self":
            continue
        if parameter.kind is parameter.VAR_KEYWORD:
            said = told.get(parameter.name, "") + _ADDED.get((name, _MORE), "")
            properties[_MORE] = {"type": "object", "description": said}
            continue
        schema: dict[str, Any] = _schema(parameter.annotation)
        if parameter.default is parameter.empty:
            required.append(parameter.name)
        elif parameter.default is not None:
            schema["default"] = parameter.default
        properties[parameter.name] = schema | {"description": told.get(parameter.name, "")}
    return {
        "name": name,
        "description": text,
        "input_schema": {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        },
        "annotations": {"read_only_hint": True, "open_world_hint": False},
    }


def _schema(annotation: Any) -> dict[str, Any]:
    """Return the JSON schema of a parameter; an empty one if its type has none."""
    if annotation is Any:
        return {}
    try:
        return TypeAdapter(annotation).json_schema()
    except PydanticSchemaGenerationError:
        return {}


def _documented(text: str) -> tuple[str, dict[str, str]]:
    """Return the text of a docstring before its sections, and the texts of its arguments."""
    before, _, sections = text.partition("\nArgs:\n")
    told: dict[str, str] = {}
    for name, said in re.findall(
        r"^    (\w+): ((?:.+\n?)(?:^     +.+\n?)*)", sections.partition("\n\n")[0], re.MULTILINE
    ):
        told[name] = " ".join(said.split())
    return before.partition("\nRaises:\n")[0].strip(), told


def _answer(bench: BenchClient, name: str, arguments: dict[str, Any]) -> str:
    """Call a tool and return its answer as JSON text.

    Raises:
        BenchError: The query fails.
        _WrongCallError: The tool is unknown, or an argument is wrong.
    """
    if name not in TOOLS:
        raise _WrongCallError(f"there is no tool {name!r:.80}; tools: {', '.join(TOOLS)}")
    known = _tool(name)["input_schema"]
    unknown = arguments.keys() - known["properties"].keys()
    missing = set(known["required"]) - arguments.keys()
    takes_more = _MORE in known["properties"]
    if unknown or missing:
        raise _WrongCallError(
            f"{name} takes {', '.join(known['properties']) or 'nothing'}"
            + "".join(f"; {one!r:.80} is unknown" for one in sorted(unknown))
            + ("; filters and bounds are members of `more`" if unknown and takes_more else "")
            + "".join(f"; {one} is missing" for one in sorted(missing))
        )
    more = arguments.pop(_MORE, None) or {}
    if not isinstance(more, dict) or not all(isinstance(one, str) for one in more):
        raise _WrongCallError(f"{_MORE} is an object of names and values")
    if name == "query" and more.get("arch") is None:
        # All runs of a table are hundreds of thousands, too many for an agent.
        raise _WrongCallError(f"{_MORE} needs an arch; `top`, `random` and `neighbors` find some")
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        try:
            found = getattr(bench, name)(**arguments, **more)
        except TypeError as error:
            raise _WrongCallError(str(error)) from None
        units = _units_of_metrics(bench, arguments)
    notes = sorted({str(one.message) for one in heard})
    texts = _shrinking_answers(found, notes, units, brief=name == "benchmarks")
    return next(text for text in texts if len(text) <= _MOST_CHARACTERS)


def _units_of_metrics(bench: BenchClient, arguments: dict[str, Any]) -> dict[str, str]:
    """Return the units of the metrics that a query names, by metric."""
    asked = {arguments[name] for name in _METRICS if isinstance(arguments.get(name), str)}
    if not asked:
        return {}
    columns = bench.columns(arguments["benchmark"]).items
    return {one.name: one.unit for one in columns if one.name in asked and one.unit is not None}


def _shrinking_answers(
    found: Any, notes: list[str], of_metrics: dict[str, str], *, brief: bool = False
) -> Iterator[str]:
    """Yield an answer as JSON, with fewer items each time.

    Args:
        found: The answer.
        notes: The recorded warnings.
        of_metrics: The units of the metrics in the query.
        brief: Whether to omit the fields of benchmarks, which `benchmark` returns.
    """
    import orjson

    many = isinstance(found, list)
    items = found if many else [found]
    shown = min(len(items), _MOST_ITEMS)
    while True:
        dumped = [_dumped(item, {"fields"} if brief else set()) for item in items[:shown]]
        answer: dict[str, Any] = {"notes": notes} if notes else {}
        answer |= {"units": units} if (units := _units(items) | of_metrics) else {}
        if many:
            answer |= {"count": len(items), "items": dumped}
            if shown < len(items):
                answer["left_out"] = len(items) - shown
        else:
            answer["answer"] = dumped[0] if dumped else None
        yield orjson.dumps(answer).decode()
        if not shown:
            raise _WrongCallError("the answer is too long: request less")
        shown //= 2


def _dumped(item: Any, left_out: set[str]) -> Any:
    if isinstance(item, BaseModel):
        return item.model_dump(mode="json", exclude_none=True, exclude=left_out)
    return item


def _units(items: list[Any]) -> dict[str, str]:
    from bench_client.notebooks import units_of

    first = next((item for item in items if isinstance(item, BaseModel)), None)
    return {} if first is None else dict(units_of(type(first)))
