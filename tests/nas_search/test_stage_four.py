"""Stage 4 of docs/model-hub.md: searches on every space, by training small networks for a step.

`docs/mark_stages.py` runs these tests and marks the page by what came of them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from small_spaces import TINY_SPACES
from torch import Tensor

import model_hub
from model_hub.model_space import ModelSpace
from nas_search.contract import Strategy
from nas_search.strategies import RandomSearch, RegularizedEvolution
from nas_search.study import StudyFile
from nas_search.training import Classification, Images, Recipe

REPOSITORY: Final = Path(__file__).resolve().parents[2]
TRIALS: Final = 20
INTERRUPTED: Final = 10

STRATEGIES: Final[dict[str, Callable[[], Strategy]]] = {
    "RandomSearch": lambda: RandomSearch(seed=1),
    "RegularizedEvolution": lambda: RegularizedEvolution(population_size=6, sample_size=3, seed=1),
}


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """What the snippet of docs/model-hub.md defines: `search`, and `images`, which are digits."""
    page = (REPOSITORY / "docs/model-hub.md").read_text()
    (snippet,) = (
        one for one in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "Study" in one
    )
    found: dict[str, Any] = {}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path_factory.mktemp("snippet"))
        exec(compile(snippet, "model-hub.md", "exec"), found)  # noqa: S102 - our own page
    yield found
    torch.set_num_threads(threads)


def one_step(space: ModelSpace, sample: dict[str, Any], losses: Callable[[Any], Tensor]) -> float:
    """Return the loss of a network after a step of training."""
    torch.manual_seed(0)
    network = space.freeze(sample)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    losses(network).backward()
    optimizer.step()
    with torch.no_grad():
        return float(losses(network))


def classified(space: ModelSpace) -> Callable[[dict[str, Any]], float]:
    """Sentences of ids, which NASBERT tells apart by their first id."""
    ids = torch.arange(2, 18).reshape(2, 8)

    def losses(network: Any) -> Tensor:
        return F.cross_entropy(network(ids), torch.tensor([0, 1]))

    return lambda sample: one_step(space, sample, losses)


def spoken(space: ModelSpace) -> Callable[[dict[str, Any]], float]:
    """Phonemes, the frames that each lasts, and the spectra that LightSpeech makes of them."""
    ids = torch.tensor([[1, 2, 3, 4]])
    alignment = torch.tensor([[1, 1, 2, 3, 4, 4]])
    generator = torch.Generator().manual_seed(0)
    mels = torch.randn((1, 6, 80), generator=generator)
    pitch = torch.randn((1, 6, 2), generator=generator)

    def losses(network: Any) -> Tensor:
        speech = network(ids, alignment, pitch=pitch)
        frames = torch.tensor([[2.0, 1.0, 1.0, 2.0]])
        durations = F.mse_loss(speech.log_durations, frames.add(1).log())
        return F.l1_loss(speech.mels, mels) + durations + F.l1_loss(speech.pitch, pitch)

    return lambda sample: one_step(space, sample, losses)


def measured(space: ModelSpace, images: Images) -> tuple[Any, str]:
    """Return an evaluator of a space, and the objective."""
    name = type(space).__name__
    if name == "NASBERT":
        return classified(space), "-loss"
    if name == "LightSpeech":
        return spoken(space), "-loss"
    few = images.part(torch.arange(4))
    recipe = Recipe(epochs=1, batch_size=4, lr=1e-3)
    return Classification(few, few, recipe=recipe), "-loss"


def test_every_space_is_searched() -> None:
    assert set(TINY_SPACES) == set(model_hub.space_names())


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("name", model_hub.space_names())
def test_a_search_trains_networks_of_a_space_and_goes_on_from_its_file(
    name: str,
    strategy: str,
    documented: dict[str, Any],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    record_property("stage 4", f"{name} {strategy}")
    space = model_hub.space(name, **TINY_SPACES[name])
    evaluator, objective = measured(space, documented["images"])
    path = tmp_path / "search.study"

    def searched(trials: int) -> list[Any]:
        # A strategy of its own each time, as in a process of its own.
        new = STRATEGIES[strategy]()
        return list(documented["search"](path, space, evaluator, objective, new, trials))

    first = searched(INTERRUPTED)
    assert len(first) == INTERRUPTED
    trials = searched(TRIALS)
    assert len(trials) == TRIALS
    assert [(one.arch, one.metrics) for one in trials[:INTERRUPTED]] == [
        (one.arch, one.metrics) for one in first
    ]
    assert {one.state for one in trials} == {"ok"}
    losses = [one.metrics["loss"] for one in trials]
    assert all(math.isfinite(loss) and loss > 0 for loss in losses)
    # They are results of the networks: different ones have different losses.
    assert len(set(losses)) > TRIALS / 4
    assert len({one.arch for one in trials}) > TRIALS / 4
    best = StudyFile(path).best
    assert best is not None
    assert best.metrics["loss"] == min(losses)
    space.freeze(best.sample)
