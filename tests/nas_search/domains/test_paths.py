"""The path encoding, against all ways through a cell looked for in another manner."""

from __future__ import annotations

from itertools import chain, combinations, pairwise
from typing import Any

import numpy as np
import pytest

import model_hub
from bench_client import BenchClient
from bench_client.operations import drive
from nas_search import FunctionProblem, SpaceProblem, Study
from nas_search.domains import PathEncoding, choice_domain, served_domain
from nas_search.errors import ProblemError
from nas_search.strategies import Predictor
from nas_search.strategies.draws import generator_of

OPERATIONS = ("skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")


def place(path: tuple[int, ...], base: int, shortest: int) -> int:
    """Return where a path stands: behind all shorter ones, then as a number."""
    before = sum(base**length for length in range(shortest, len(path)))
    return before + sum(code * base**power for power, code in enumerate(reversed(path)))


def ways(last: int) -> list[tuple[int, ...]]:
    """Return every ascending way from vertex 0 to the last, as its vertices."""
    inner = range(1, last)
    chosen = chain.from_iterable(combinations(inner, length) for length in range(last))
    return [(0, *between, last) for between in chosen]


def test_a_cell_of_nas_bench_201_has_a_number_for_each_sequence_of_operations() -> None:
    domain = served_domain("nasbench201")
    encode = PathEncoding(domain)
    assert encode.size == 4 + 16 + 64
    rng = generator_of(0)
    archs = [drive(domain.sample(rng), lambda ask: ask) for _ in range(200)]
    for arch in archs:
        values = dict(zip(domain.labels, domain.values(arch), strict=True))
        wanted = set()
        for way in ways(3):
            edges = [f"{source}_{target}" for source, target in pairwise(way)]
            names = [domain.candidates(edge)[values[edge]] for edge in edges]
            if "none" not in names:
                wanted.add(place(tuple(map(OPERATIONS.index, names)), 4, 1))
        assert set(np.flatnonzero(encode(arch))) == wanted
    # Which vertex a sequence passes means nothing.
    one, other = (
        "|none~0|+|nor_conv_3x3~0|none~1|+|none~0|none~1|skip_connect~2|",
        "|nor_conv_3x3~0|+|none~0|none~1|+|none~0|skip_connect~1|none~2|",
    )
    assert np.array_equal(encode(one), encode(other))
    assert encode(one).sum() == 1
    nothing = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
    assert encode(nothing).sum() == 0
    space = model_hub.space("NasBench201", num_labels=10)
    hub = SpaceProblem(space, len, objectives=["macs"]).domain()
    sample = {f"cell/{label}": "none" for label in domain.labels}
    sample |= {"cell/0_2": "conv_3x3", "cell/2_3": "skip_connect"}
    assert np.array_equal(PathEncoding(hub)(space.choices.to_json(sample)), encode(one))


def test_a_cell_of_nas_bench_101_has_364_numbers_as_in_the_paper(cells: BenchClient) -> None:
    domain = served_domain("nasbench101")
    encode = PathEncoding(domain)
    assert encode.size == 364
    rng = generator_of(0)
    archs = list(iter(lambda: drive(domain.sample(rng), lambda ask: ask(cells)), None))
    longest = 0
    for arch in archs:
        values = dict(zip(domain.labels, domain.values(arch), strict=True))
        wanted = set()
        for way in ways(6):
            pairs = pairwise(way)
            if all(values[f"edge_{source}_{target}"] for source, target in pairs):
                path = tuple(values[f"op_{vertex}"] for vertex in way[1:-1])
                wanted.add(place(path, 3, 0))
                longest = max(longest, len(path))
        assert set(np.flatnonzero(encode(arch))) == wanted
        assert wanted
    assert len(archs) == 92
    assert longest >= 2


def test_what_has_no_paths_is_refused_before_the_first_trial() -> None:
    for choices in (
        {"x": [0, 1]},
        {"0_1": ["none", "conv"], "1_2": ["none", "conv"]},  # 0 to 2 is missing
        {"0_1": ["none", "conv"], "0_2": ["none", "conv"], "1_2": ["none", "conv"], "x": [1]},
        {"0_1": ["conv", "pool"], "0_2": ["conv", "pool"], "1_2": ["conv", "pool"]},
    ):
        with pytest.raises(ProblemError, match='encoding="choices" is for all'):
            PathEncoding(choice_domain(choices))
        problem = FunctionProblem(choices, lambda _: 1.0)
        with pytest.raises(ProblemError, match='encoding="choices" is for all'):
            Study(None, problem, Predictor(encoding="paths"))
    wrong: Any = "path"
    with pytest.raises(ValueError, match="encoding is 'path'; it is choices or paths"):
        Predictor(encoding=wrong)
