"""Correlations are what their definitions say, pair by pair."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from declared_tables import RAW, rows, written_declaration
from hypothesis import given
from hypothesis import strategies as st

from benchmark_db.answers import correlation_answer
from benchmark_db.catalog import Catalog
from benchmark_db.correlation import correlated, kendall, pearson, spearman
from benchmark_db.errors import InvalidQuestionError
from generators.declared import generate_table

PAIRS = st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), max_size=40)


def by_pairs(x: list[float], y: list[float]) -> float | None:
    """Kendall's tau-b as it is defined: over all pairs."""
    sign = [(np.sign(x[i] - x[j]), np.sign(y[i] - y[j])) for i in range(len(x)) for j in range(i)]
    score = sum(int(one * other) for one, other in sign)
    varying = [sum(one != 0 for one in ones) for ones in zip(*sign, strict=True)] or [0, 0]
    return score / math.sqrt(varying[0] * varying[1]) if all(varying) else None


@given(PAIRS)
def test_kendall_counts_all_pairs(pairs: list[tuple[int, int]]) -> None:
    x, y = [float(one) for one, _ in pairs], [float(other) for _, other in pairs]
    right, found = by_pairs(x, y), kendall(np.array(x), np.array(y))
    assert (found is None) == (right is None)
    assert right is None or found == pytest.approx(right, abs=1e-12)


@given(PAIRS)
def test_spearman_is_pearson_of_mean_ranks(pairs: list[tuple[int, int]]) -> None:
    x, y = (np.array([pair[side] for pair in pairs], dtype=float) for side in (0, 1))
    ranks = [
        np.array([(values < one).sum() + ((values == one).sum() - 1) / 2 for one in values])
        for values in (x, y)
    ]
    found, right = spearman(x, y), pearson(*ranks)
    assert (found is None) == (right is None)
    assert right is None or found == pytest.approx(right, abs=1e-12)


def test_known_figures() -> None:
    # Kendall and Gibbons, Rank Correlation Methods: the ranks of ten pupils in two subjects.
    x = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    y = np.array([2.0, 1, 4, 3, 6, 5, 8, 7, 10, 9])
    assert kendall(x, y) == pytest.approx(35 / 45)
    assert spearman(x, y) == pytest.approx(1 - 6 * 10 / 990)
    assert pearson(x, -x) == -1.0
    assert pearson(x * 1e300, y * 1e300) == pytest.approx(pearson(x, y))


def test_what_is_not_recorded_does_not_count() -> None:
    x, y = np.array([1.0, np.nan, 3, 4]), np.array([1.0, 2, np.nan, 8])
    found = correlated(x, y, x_larger=True, y_larger=True, top_k=2)
    assert (found["n"], found["kendall"], found["top_k_overlap"]) == (2, 1.0, 1.0)
    assert correlated(x, y, x_larger=True, y_larger=True, top_k=3)["top_k_overlap"] is None
    nothing = correlated(x[:0], y[:0], x_larger=True, y_larger=True)
    assert (nothing["n"], nothing["kendall"], nothing["pearson"]) == (0, None, None)


def test_the_best_are_each_by_their_own_direction() -> None:
    x = np.arange(10.0)
    assert correlated(x, -x, x_larger=True, y_larger=False, top_k=3)["top_k_overlap"] == 1.0
    assert correlated(x, -x, x_larger=True, y_larger=True, top_k=3)["top_k_overlap"] == 0.0


def test_intervals_depend_on_the_seed_alone() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=200)
    y = x + rng.normal(size=200)

    def intervals(seed: int) -> dict[str, list[float]]:
        found = correlated(*(x, y), x_larger=True, y_larger=True, resamples=200, resample_seed=seed)
        for name in ("kendall", "spearman", "pearson"):
            low, high = found["intervals"][name]
            assert low < found[name] < high
        return dict(found["intervals"])

    assert intervals(3) == intervals(3) != intervals(4)


@pytest.mark.parametrize(
    "wrong", [{"top_k": 0}, {"top_k": True}, {"resamples": 1_001}, {"resample_seed": -1}]
)
def test_a_number_out_of_range_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(InvalidQuestionError):
        correlated(np.arange(3.0), np.arange(3.0), x_larger=True, y_larger=True, **wrong)


def test_too_many_resamples_are_refused() -> None:
    x = np.arange(10_000.0)
    with pytest.raises(InvalidQuestionError, match="at most 200"):
        correlated(x, x, x_larger=True, y_larger=True, resamples=201)


def test_parts_can_be_compared(tmp_path: Path) -> None:
    runs = [row for row in rows() if not (row["data"] == "two" and row["cell"].startswith("pool"))]
    (tmp_path / "runs.csv").write_bytes(RAW["csv"][1](runs))
    declaration = written_declaration(tmp_path, ("complete = true", "complete = false"))
    generate_table(declaration, tmp_path / "runs.csv", tmp_path)
    catalog = Catalog(tmp_path)

    def asked(**question: object) -> dict[str, object]:
        options = {"x": "test_acc", "y": "test_acc", "top_k": 5}
        answer = correlation_answer(catalog, "tiny-table", dict(question), **options)
        return dict(answer["items"][0])

    across = asked(dataset="one", y_dataset="two")
    assert (across["n"], across["kendall"], across["top_k_overlap"]) == (18, 1.0, 1.0)
    assert asked(dataset="one")["n"] == 27
    assert asked(dataset="one", y_dataset="two", min_test_acc=20.5)["n"] == 13
    with pytest.raises(InvalidQuestionError, match="unknown dataset"):
        asked(dataset="one", y_dataset="three")
    catalog.close()
