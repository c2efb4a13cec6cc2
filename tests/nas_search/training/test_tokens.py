"""Texts as what networks are trained on and compared by."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from patterned_texts import patterned_texts
from small_spaces import TINY_SPACES

import model_hub
from model_hub.errors import InvalidArgumentError
from nas_search.oneshot import Inherited, Supernet, UniformPaths, recalibrate, train_supernet
from nas_search.problems.problem import silent
from nas_search.training import Classification, Recipe, Tokens, split

RECIPE = Recipe(
    epochs=8, batch_size=16, optimizer="adam", lr=1e-3, schedule="constant", clip_norm=1
)


def space(**arguments: Any) -> Any:
    still = {"dropout_rate": 0.0, "attention_dropout_rate": 0.0}
    return model_hub.space("NASBERT", **{**TINY_SPACES["NASBERT"], **still, **arguments})


def test_a_network_learns_which_text_has_which_label() -> None:
    train, valid = split(patterned_texts(160), (0.75, 0.25), seed=0)
    assert (len(train), train.shape, train.most) == (120, (12,), 1)
    sample: dict[str, Any] = {}
    for block in range(4):
        sample |= {f"b{block}_hidden": 64, f"b{block}_depth": 1, f"b{block}_i0": "mha"}
    found = Classification(train, valid, recipe=RECIPE).evaluate(
        space(), sample, fidelity=None, report=silent
    )
    assert found["accuracy"] > 80


def test_inherited_weights_have_learned_too_and_are_those_of_the_network() -> None:
    one_width = space(hidden_sizes=(64,))
    data = split(patterned_texts(160), (0.8, 0.2), seed=0)
    supernet = Supernet(one_width, seed=0)
    trained = train_supernet(supernet, data, UniformPaths(), recipe=RECIPE)
    assert trained.curve[-1]["train_loss"] < trained.curve[0]["train_loss"]
    evaluator = Inherited(supernet, data)
    found = []
    for seed in range(6):
        sample = one_width.choices.sample(seed)
        figures = evaluator.evaluate(one_width, sample, fidelity=None, report=silent)
        found.append(figures["accuracy"])
        network = supernet.extract(sample).eval()
        supernet.activate(sample)
        supernet.eval()
        with torch.no_grad():
            assert torch.equal(network(data[1].ids), supernet(data[1].ids))
            right = (network(data[1].ids).argmax(1) == data[1].labels).double().mean()
        assert figures["accuracy"] == pytest.approx(100 * float(right))
    # Chance is 50 %.
    assert sum(found) / len(found) > 60


def test_norms_without_statistics_are_not_estimated() -> None:
    class Counting(Supernet):
        passes = 0

        def forward(self, *inputs: Any, **options: Any) -> Any:
            self.passes += 1
            return super().forward(*inputs, **options)

    supernet = Counting(space())
    recalibrate(supernet, patterned_texts(16), batch_size=8)
    assert supernet.passes == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Tokens(torch.zeros(4), torch.zeros(4, dtype=torch.int64)), "not .texts, length."),
        (lambda: Tokens(torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64)), "int64"),
        (lambda: Tokens(torch.full((4, 3), -1), torch.zeros(4, dtype=torch.int64)), "below 0"),
        (lambda: Tokens(torch.ones(4, 3).long(), torch.zeros(3).long()), "one for each text"),
    ],
)
def test_what_is_no_text_is_refused(make: Any, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        make()


@pytest.mark.parametrize(
    ("arguments", "recipe", "message"),
    [
        ({"vocabulary": 5}, RECIPE, "beyond the vocabulary of 5"),
        ({"max_length": 6}, RECIPE, "6"),
        ({}, Recipe(epochs=1, batch_size=8, flip=True), "texts cannot be cropped"),
    ],
)
def test_texts_that_do_not_fit_a_space_or_recipe_are_refused(
    arguments: dict[str, Any], recipe: Recipe, message: str
) -> None:
    texts = patterned_texts(32)
    with pytest.raises(InvalidArgumentError, match=message):
        train_supernet(Supernet(space(**arguments)), (texts, texts), UniformPaths(), recipe=recipe)


def test_digests_tell_texts_apart() -> None:
    texts = patterned_texts(16)
    assert texts.digest == patterned_texts(16).digest
    assert texts.digest != texts.part(torch.arange(8)).digest
    assert texts.on(torch.device("cpu")).digest == texts.digest
