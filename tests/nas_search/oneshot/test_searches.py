"""Stage 4 of docs/model-hub.md, the one-shot part: every space that classifies images or texts.

It is trained, searched by inherited weights, and gone on with. `docs/mark_stages.py` runs this and
marks the page by what came of it.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
import torch
from measuring import unmeasured
from patterned_images import patterned
from patterned_texts import patterned_texts
from small_spaces import TINY_SPACES

import model_hub
from nas_search import Budget, SpaceProblem, Study
from nas_search.oneshot import Inherited, Supernet, UniformPaths, train_supernet
from nas_search.problems.problem import silent
from nas_search.strategies import RegularizedEvolution
from nas_search.training import ImageSet, Recipe

TRIALS: Final = 20
SEARCHED: Final = {name: made for name, made in TINY_SPACES.items() if name != "LightSpeech"}
"""All but the one that speaks, and classifies nothing."""
LARGE: Final = {
    "AutoFormer",
    "MobileNetV3Space",
    "ProxylessNAS",
    "ShuffleNetSpace",
    "SinglePathNAS",
}
"""Spaces whose networks divide the sides of images by 16 and more."""


@pytest.mark.parametrize("name", SEARCHED)
def test_a_space_is_searched_by_inherited_weights_and_goes_on(
    name: str, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    record_property("stage 4", f"{name} Inherited")
    space = model_hub.space(name, **SEARCHED[name])
    read: ImageSet = patterned(8, side=32 if name in LARGE else 16)
    if name == "NASBERT":
        read = patterned_texts(8)
    data = (read, read)
    supernet = Supernet(space)
    recipe = Recipe(epochs=1, batch_size=8, lr=1e-3)
    train_supernet(supernet, data, UniformPaths(), recipe=recipe)
    evaluator = Inherited(supernet, data, batches=1, batch_size=8)

    def searched(trials: int) -> list[Any]:
        strategy = RegularizedEvolution(population_size=4, sample_size=2, seed=1)
        problem = SpaceProblem(space, evaluator, objectives=["-loss"])
        with Study(tmp_path / "one.study", problem, strategy) as study:
            study.run(Budget(trials=trials))
            return list(study.trials)

    first = searched(TRIALS // 2)
    with unmeasured():  # the same once more, and on
        trials = searched(TRIALS)
    assert len(trials) == TRIALS
    assert [one.metrics for one in trials[: TRIALS // 2]] == [one.metrics for one in first]
    assert {one.state.value for one in trials} == {"ok"}
    # They are results of the paths: different ones have different losses.
    assert len({one.metrics["loss"] for one in trials}) > TRIALS / 4
    # Another process, which has a copy, finds the same.
    sample = json.loads(trials[0].arch)
    copied = pickle.loads(pickle.dumps(evaluator))
    again = copied.evaluate(space, sample, fidelity=None, report=silent)
    assert again["loss"] == trials[0].metrics["loss"]
    # So does the network by itself, with the weights that it inherits and norms of its own.
    network = supernet.extract(sample)
    assert all(torch.isfinite(one).all() for one in network.parameters())
