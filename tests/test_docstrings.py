"""The examples in docstrings of the client and of `nas_search` run."""

from __future__ import annotations

import ast
import asyncio
import re
from collections.abc import Iterator
from importlib import import_module
from itertools import cycle
from pathlib import Path
from textwrap import dedent
from types import ModuleType
from typing import Any, Final, NamedTuple

import optuna
import pytest
import torch
from torch.nn.functional import cross_entropy

import bench_client
import model_hub
import nas_search
from bench_client import BenchClient
from nas_search import oneshot, strategies, training
from nas_search.training import Images, split

pytestmark = pytest.mark.usefixtures("unmeasured")

PACKAGES: Final[tuple[ModuleType, ...]] = (bench_client, nas_search)
SECTION: Final = re.compile(r"(Args|Attributes|Raises|Returns|Yields):")

NOT_RUN: Final = {
    "bench_client.artifacts.materialize": "asks a worker, as tests/service/worker does",
    "bench_client.jobs.jobs": "asks a service, as tests/service/job_routes does",
    "nas_search.study.stopping": "asks workers, as tests/nas_search/study does",
    "nas_search.trainers": "is an entry point in TOML",
    "nas_search.training": "reads CIFAR-10, as tests/nas_search/training does",
}
"""Examples that need what is not here."""

LESS: Final = {
    "BenchClient()": "BenchClient.local()",
    "n_trials=100": "n_trials=3",
    "Evolution(seed=0)": "Evolution(seed=0, population_size=4, sample_size=2)",
    "Inherited(supernet, data)": "Inherited(supernet, data, batches=1)",
    "Recipe(epochs=50)": "Recipe(epochs=1, batch_size=8)",
    "budget=200_000": "budget=9_000",
    "trials=100)": "trials=2)",
    "trials=200)": "trials=20)",
}
"""What is done less often here."""

SEARCH: Final = """
[problem]
benchmark = "nasbench201"
dataset = "cifar100"
[strategy]
name = "RandomSearch"
seed = 0
[budget]
trials = 3
"""
(PLAN,) = re.findall(
    r"```toml\n(.*?)```", (Path(__file__).parents[1] / "docs/plans.md").read_text(), re.DOTALL
)[:1]


class Example(NamedTuple):
    """An example.

    Attributes:
        owner: Whose it is: the full name of a module, class or function.
        module: Its module.
        code: The lines.
    """

    owner: str
    module: str
    code: str


def examples() -> Iterator[Example]:
    for package in PACKAGES:
        (folder,) = map(Path, package.__path__)
        for path in sorted(folder.rglob("*.py")):
            parts = path.relative_to(folder.parent).with_suffix("").parts
            module = ".".join(part for part in parts if part != "__init__")
            for name, docstring in _documented(ast.parse(path.read_text()), module):
                if code := _code(docstring):
                    yield Example(name, module, code)


def _documented(node: Any, name: str) -> Iterator[tuple[str, str]]:
    """Yield the docstrings of a module, a class or a function, and of what is in it."""
    docstring = ast.get_docstring(node)
    if docstring:
        yield name, docstring
    for inner in node.body:
        if isinstance(inner, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _documented(inner, f"{name}.{inner.name}")


def _code(docstring: str) -> str:
    """Return the indented paragraphs that are in no section of a docstring."""
    found, in_section = [], False
    for paragraph in re.split(r"\n\s*\n", docstring):
        lines = paragraph.splitlines()
        if not all(line.startswith("    ") for line in lines):
            in_section = bool(SECTION.fullmatch(lines[0]))
        elif not in_section:
            found.append(dedent(paragraph))
    return "\n".join(found)


EXAMPLES: Final = {one.owner: one for one in examples()}


@pytest.fixture(scope="module")
def given(every_sample: Path) -> Iterator[dict[str, Any]]:
    """What examples take for granted, by name."""
    draw = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (80, 3, 16, 16), generator=draw, dtype=torch.uint8)
    halves = split(Images(pixels, torch.arange(80) % 10), (0.5, 0.5), seed=0)
    space = model_hub.space("NasBench201", stem_out_channels=4, num_modules_per_stack=1)
    with BenchClient.local(every_sample) as bench:
        archs = [one.index for one in bench.random("nasbench201", n=6)]
        simulation = bench.simulate("nasbench201", "cifar10-valid", 200, budget=20_000)
        simulation.evaluate(archs[0])
        yield {
            **{
                name: getattr(package, name)
                for package in (bench_client, nas_search, strategies, oneshot, training)
                for name in package.__all__
            },
            "Path": Path,
            "arch": archs[0],
            "archs": archs,
            "bench": bench,
            "cross_entropy": cross_entropy,
            "data": halves,
            "images": pixels[:8] / 255,
            "labels": torch.arange(8),
            "learn_from": lambda *_: None,
            "next_arch": cycle(archs).__next__,
            "optuna": optuna,
            "problem": nas_search.FunctionProblem({"x": [*range(99)]}, lambda one: one["x"]),
            "sample": space.choices.sample(0),
            "simulation": simulation,
            "space": space,
        }


def test_examples_that_are_not_run_are_there() -> None:
    assert NOT_RUN.keys() < EXAMPLES.keys()
    assert len(EXAMPLES) > 20


@pytest.mark.parametrize("owner", sorted(EXAMPLES.keys() - NOT_RUN.keys()))
@pytest.mark.filterwarnings("ignore::bench_client.SyntheticDataWarning")
def test_an_example_runs(
    owner: str,
    given: dict[str, Any],
    every_sample: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NASBENCHMARK_DIR", str(every_sample))
    (tmp_path / "runs").mkdir()
    (tmp_path / "search.toml").write_text(SEARCH)
    (tmp_path / "digits.toml").write_text(PLAN)
    example = EXAMPLES[owner]
    code = example.code
    for often, less in LESS.items():
        code = code.replace(often, less)
    known = {**given, **vars(import_module(example.module))}
    compiled = compile(code, owner, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    waiting = eval(compiled, known)  # noqa: S307 - our own docstring
    if waiting is not None:
        asyncio.run(waiting)
