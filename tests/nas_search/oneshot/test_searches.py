"""Stage 4 of docs/model-hub.md, the one-shot part: every space, searched by inherited weights.

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

TRIALS: Final = 12
SEARCHED: Final = {name: made for name, made in TINY_SPACES.items() if name != "LightSpeech"}
"""All but the one that speaks, and classifies nothing: that is searched by a function."""
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


def test_a_space_that_speaks_is_trained_and_searched_by_losses_of_its_own(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """One loss of four that are published is enough here: that of the mels (one-shot.md, F2.2)."""
    record_property("stage 4", "LightSpeech Inherited")
    space = model_hub.space("LightSpeech", **TINY_SPACES["LightSpeech"], dropout_rate=0.0)
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(1, 12, (4, 6), generator=generator)
    alignment = torch.arange(1, 7).repeat_interleave(2).expand(4, -1)
    pitch = torch.zeros(4, 12, 2)
    spoken = torch.randn(12, 80, generator=generator)
    mels = spoken[ids.gather(1, alignment - 1)]

    def loss_of(network: torch.nn.Module) -> torch.Tensor:
        speech = network(ids, alignment, pitch=pitch)
        return (speech.mels - mels).abs().mean()

    supernet = Supernet(space)
    optimizer = torch.optim.Adam(supernet.parameters(), lr=3e-3)
    sampler, before = UniformPaths(), float(loss_of(supernet.eval()).detach())
    supernet.train()
    for step in range(40):
        (path,) = sampler.paths(space.choices, seed=0, step=step)
        supernet.activate(path)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss_of(supernet))
        optimizer.step()
    supernet.eval()

    def inherited(sample: dict[str, Any]) -> float:
        supernet.activate(sample)
        with torch.no_grad():
            return float(loss_of(supernet))

    def searched(trials: int) -> list[Any]:
        strategy = RegularizedEvolution(population_size=4, sample_size=2, seed=1)
        problem = SpaceProblem(space, inherited, objectives=["-loss"])
        with Study(tmp_path / "one.study", problem, strategy) as study:
            study.run(Budget(trials=trials))
            return list(study.trials)

    first, trials = searched(TRIALS // 2), searched(TRIALS)
    assert [one.metrics for one in trials[: TRIALS // 2]] == [one.metrics for one in first]
    assert {one.state.value for one in trials} == {"ok"}
    assert max(one.metrics["loss"] for one in trials) < before
    assert len({one.metrics["loss"] for one in trials}) > TRIALS / 4
    for one in trials:
        # Weights that are inherited are those of the network by itself, to the bit.
        network = supernet.extract(json.loads(one.arch)).eval()
        with torch.no_grad():
            assert float(loss_of(network)) == one.metrics["loss"]
