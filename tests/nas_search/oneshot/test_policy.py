"""ENAS: a policy that learns what is rewarded, on spaces with depths and sliced ones."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from patterned_images import cell_space, halves, mobile_space

from model_hub.choices import Subset
from model_hub.errors import InvalidArgumentError
from model_hub.search_space import SearchSpace
from nas_search.errors import OtherTrainingError
from nas_search.oneshot import PolicyPaths, Supernet, search_by_policy
from nas_search.oneshot.policy import Controller
from nas_search.training import Recipe, Trainer
from nas_search.training.data import seeded

RECIPE = Recipe(epochs=2, batch_size=40, lr=0.05, clip_norm=5)


@pytest.mark.parametrize("kind", ["logits", "lstm"])
def test_a_draw_has_the_probability_that_it_is_said_to_have(kind: str) -> None:
    choices = mobile_space().choices
    controller = Controller(choices, kind, seed=0)
    with torch.no_grad():
        for parameter in controller.parameters():
            parameter.mul_(20)
        counts: Counter[Any] = Counter()
        chances = {}
        for number in range(150):
            sample, _, _ = controller.draw(seeded(0, number))
            assert sample == choices.validate(sample)
            counts[sample["s2_depth"]] += 1
        one = SearchSpace("one", (choices.choices[0],))
        alone = Controller(one, kind, seed=0)
        for number in range(200):
            sample, chance, entropy = alone.draw(seeded(1, number))
            chances[sample["s2_depth"]] = float(chance.exp())
            assert float(entropy) <= float(torch.tensor(4.0).log()) + 1e-6
    assert sum(chances.values()) == pytest.approx(1, abs=1e-5)
    assert len(counts) == 4


@pytest.mark.parametrize("kind", ["logits", "lstm"])
def test_what_is_rewarded_becomes_probable(kind: str) -> None:
    choices = cell_space().choices
    controller = Controller(choices, kind, seed=0)
    optimizer = torch.optim.Adam(controller.parameters(), lr=0.05)
    baseline = 0.5
    shares = []
    for number in range(160):
        sample, chance, _ = controller.draw(seeded(2, number))
        reward = sum(value == "conv_3x3" for value in sample.values()) / 6
        shares.append(reward)
        baseline += 0.05 * (reward - baseline)
        optimizer.zero_grad()
        (-chance * (reward - baseline)).backward()
        optimizer.step()
    assert sum(shares[:10]) / 10 < 0.4
    assert sum(shares[-50:]) / 50 > 0.7


class Interrupted(Exception):  # noqa: N818 - stands for Ctrl-C
    pass


@pytest.mark.parametrize("kind", ["logits", "lstm"])
def test_a_search_finds_a_sample_and_goes_on_to_the_bit(
    kind: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = PolicyPaths(controller=kind, updates=4, draws=3, batches=4, learning_rate=0.01)
    data = halves()
    supernet = Supernet(cell_space())
    found = search_by_policy(supernet, data, policy, recipe=RECIPE)
    assert found.sample == cell_space().choices.validate(found.sample)
    assert 0 <= found.metrics["accuracy"] <= 100
    assert found.curve[-1]["policy/entropy"] > 0
    save = Trainer._save

    def cut(trainer: Trainer) -> None:
        save(trainer)
        raise Interrupted

    monkeypatch.setattr(Trainer, "_save", cut)
    with pytest.raises(Interrupted):
        search_by_policy(Supernet(cell_space()), data, policy, recipe=RECIPE, checkpoint=tmp_path)
    monkeypatch.undo()
    resumed = Supernet(cell_space(), seed=7)
    again = search_by_policy(resumed, data, policy, recipe=RECIPE, checkpoint=tmp_path)
    assert (again.sample, again.metrics) == (found.sample, found.metrics)
    state = supernet.state_dict()
    assert all(torch.equal(state[name], one) for name, one in resumed.state_dict().items())
    with pytest.raises(OtherTrainingError, match="policy"):
        search_by_policy(resumed, data, PolicyPaths(), recipe=RECIPE, checkpoint=tmp_path)


def test_bad_policies_are_refused() -> None:
    for arguments in ({"controller": "gru"}, {"updates": 0}, {"learning_rate": 0.0}, {"draws": 0}):
        with pytest.raises(InvalidArgumentError):
            PolicyPaths(**arguments)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match="several candidates"):
        Controller(SearchSpace("toy", (Subset("a", (1, 2)),)), "logits", seed=0)
    train, valid = halves()
    with pytest.raises(InvalidArgumentError, match="fewer than a batch"):
        search_by_policy(
            Supernet(cell_space()), (train, valid.part(torch.arange(9))), recipe=RECIPE
        )
