"""Relative positions against their definition, pair by pair."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from model_hub.spaces.autoformer_network import (
    HEAD_DIM,
    RelativeAttention,
    RelativePosition,
    relative_indices,
)

CPU = torch.device("cpu")


def relations(position: RelativePosition, rows: int, columns: int, most: int) -> Tensor:
    """Look the vector of every pair of tokens up, one after the other."""
    tokens = [None, *((r, c) for r in range(rows) for c in range(columns))]
    vectors = torch.empty(len(tokens), len(tokens), HEAD_DIM, dtype=torch.float64)
    for i, query in enumerate(tokens):
        for j, key in enumerate(tokens):
            vertical = horizontal = 0
            if query is not None and key is not None:
                down, right = key[0] - query[0], key[1] - query[1]
                vertical = max(-most, min(most, down)) + most + 1
                horizontal = max(-most, min(most, right)) + most + 1
            vectors[i, j] = (
                position.embeddings_table_v[vertical] + position.embeddings_table_h[horizontal]
            )
    return vectors


@pytest.mark.parametrize(("rows", "columns", "most"), [(3, 3, 3), (2, 4, 4), (4, 3, 2), (1, 1, 1)])
def test_scores_and_sums_are_those_of_every_pair(rows: int, columns: int, most: int) -> None:
    torch.manual_seed(0)
    position = RelativePosition(most).double()
    indices = relative_indices(rows, most, CPU), relative_indices(columns, most, CPU)
    tokens = 1 + rows * columns
    queries = torch.randn(2, 3, tokens, HEAD_DIM, dtype=torch.float64)
    attention = torch.randn(2, 3, tokens, tokens, dtype=torch.float64).softmax(-1)
    with torch.no_grad():
        vectors = relations(position, rows, columns, most)
        scores = torch.einsum("bhqd,qkd->bhqk", queries, vectors)
        sums = torch.einsum("bhqk,qkd->bhqd", attention, vectors)
        torch.testing.assert_close(position.score(queries, indices), scores)
        torch.testing.assert_close(position.gather(attention, indices), sums)


def test_without_relative_positions_it_is_ordinary_attention() -> None:
    torch.manual_seed(0)
    attention = RelativeAttention(24, 2).double().eval()
    x = torch.randn(2, 5, 24, dtype=torch.float64)
    heads = [
        project(x).view(2, 5, 2, HEAD_DIM).transpose(1, 2)
        for project in (attention.q, attention.k, attention.v)
    ]
    attended = torch.nn.functional.scaled_dot_product_attention(*heads)
    expected = attention.proj(attended.transpose(1, 2).reshape(2, 5, 2 * HEAD_DIM))
    indices = relative_indices(2, 2, CPU), relative_indices(2, 2, CPU)
    torch.testing.assert_close(attention(x, indices), expected)


def test_a_scale_given_takes_the_place_of_the_usual_one() -> None:
    assert RelativeAttention(8, 1).scale == 0.125
    assert RelativeAttention(8, 1, scale=1.0).scale == 1.0


def test_distances_beyond_the_largest_count_as_it() -> None:
    assert relative_indices(4, 2, CPU).tolist() == [
        [3, 4, 5, 5],
        [2, 3, 4, 5],
        [1, 2, 3, 4],
        [1, 1, 2, 3],
    ]


def test_products_count_twice_with_relative_positions() -> None:
    assert RelativeAttention(24, 2).product_macs(5) == 2 * 25 * 128
    assert RelativeAttention(24, 2, max_distance=2).product_macs(5) == 4 * 25 * 128
