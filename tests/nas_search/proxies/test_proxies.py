"""Zero-cost proxies, on every space of images and against networks counted by hand."""

from __future__ import annotations

import json
import math
import pickle
from typing import Any, Final

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from small_spaces import SMALL_SPACES, TINY_SPACES
from torch import Tensor, nn

import model_hub
from model_hub.errors import InvalidArgumentError, LabelError
from nas_search import proxies
from nas_search.problems import SpaceProblem
from nas_search.strategies import RandomSearch
from nas_search.study import Budget, Study

DRAWING: Final = {"AutoFormer", "DARTS", "MobileNetV3Space"}
"""Spaces whose networks drop something by chance, and so might score otherwise the next time."""


def a_batch(count: int = 4, side: int = 32, seed: int = 0) -> proxies.Batch:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn((count, 3, side, side), generator=generator)
    return inputs, torch.arange(count) % 10


def nb201() -> tuple[Any, dict[str, Any]]:
    space = model_hub.space("NasBench201", num_modules_per_stack=1, stem_out_channels=8)
    return space, space.choices.sample(seed=1)


def test_every_space_of_images_is_here() -> None:
    images = {
        name for name in model_hub.space_names() if len(model_hub.space(name).input_shape) > 1
    }
    assert images == set(SMALL_SPACES)


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("name", [name for name in TINY_SPACES if name in SMALL_SPACES])
def test_every_space_has_every_score_whatever_is_drawn_in_between(name: str) -> None:
    space = model_hub.space(name, **TINY_SPACES[name])
    sample = space.choices.sample(seed=0)
    batch = a_batch(2)
    torch.manual_seed(7)
    found = proxies.score(space, sample, batch, seed=3)
    if name in DRAWING:
        torch.manual_seed(8)
        assert proxies.score(space, sample, batch, seed=3) == found
    assert tuple(found) == proxies.proxy_names()
    assert all(math.isfinite(value) for value in found.values()), found
    profile = space.profile(sample, input_shape=(3, 32, 32))
    assert (found["params"], found["flops"]) == (profile.parameters, profile.macs)
    # Layer norms centre what flows; see the docstring.
    assert found["synflow"] > 0 or name == "AutoFormer"


def test_neither_weights_nor_statistics_nor_the_callers_draws_change() -> None:
    space, sample = nb201()
    network = space.freeze(sample)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    proxies.score_network(network, a_batch())
    assert torch.equal(torch.rand(2), expected)
    assert network.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name
        assert tensor.dtype == before[name].dtype
    assert all(parameter.grad is None for parameter in network.parameters())


def test_synflow_does_not_depend_on_the_data_and_others_do() -> None:
    space, sample = nb201()
    names = ["synflow", "l2_norm", "params", "flops", "snip", "grasp", "fisher", "jacov", "nwot"]
    one, other = (proxies.score(space, sample, a_batch(seed=seed), names) for seed in (0, 1))
    same = {name for name in names if one[name] == other[name]}
    assert same == {"synflow", "l2_norm", "params", "flops"}


class Small(nn.Module):
    """Two linear layers without biases, small enough for a pencil."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(3, 2, bias=False), nn.Linear(2, 2, bias=False)
        with torch.no_grad():
            self.first.weight.copy_(torch.tensor([[1.0, -2.0, 0.5], [0.25, 1.0, -0.75]]))
            self.second.weight.copy_(torch.tensor([[1.5, -1.0], [-0.5, 2.0]]))

    def forward(self, x: Tensor) -> Tensor:
        return self.second(torch.relu(self.first(x.flatten(1))))


BATCH: Final = (
    torch.tensor([[2.0, 0.5, 1.0], [0.5, 1.0, 0.25]]).reshape(2, 3, 1, 1),
    torch.tensor([0, 1]),
)


def by_hand() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return weights and gradients of both layers, by the chain rule in double precision."""
    network = Small().double()
    first, second = network.first.weight.detach(), network.second.weight.detach()
    inputs = BATCH[0].flatten(1).double()
    hidden = inputs @ first.T
    active = hidden.clamp(min=0)
    logits = active @ second.T
    error = (torch.softmax(logits, 1) - F.one_hot(BATCH[1], 2)) / 2
    back = (error @ second) * (hidden > 0)
    return first, second, back.T @ inputs, error.T @ active


def test_scores_of_weights_and_gradients_are_those_counted_by_hand() -> None:
    first, second, on_first, on_second = by_hand()
    found = proxies.score_network(Small(), BATCH, ["snip", "plain", "grad_norm", "l2_norm"])
    products = (first * on_first, second * on_second)
    assert found["snip"] == pytest.approx(float(sum(p.abs().sum() for p in products)), rel=1e-5)
    assert found["plain"] == pytest.approx(float(sum(p.sum() for p in products)), rel=1e-4)
    norms = float(on_first.norm() + on_second.norm())
    assert found["grad_norm"] == pytest.approx(norms, rel=1e-5)
    assert found["l2_norm"] == pytest.approx(float(first.norm() + second.norm()), rel=1e-6)
    assert found["snip"] > abs(found["plain"])


def test_synflow_is_the_flow_through_absolute_weights() -> None:
    first, second = by_hand()[:2]
    flow = float((second.abs() @ first.abs() @ torch.ones(3, dtype=torch.float64)).sum())
    # Each of the two layers carries the whole flow once.
    assert proxies.score_network(Small(), BATCH, ["synflow"])["synflow"] == pytest.approx(2 * flow)


def test_the_signs_of_weights_change_neither_synflow_nor_norms() -> None:
    network = Small()
    names = ["synflow", "l2_norm"]
    before = proxies.score_network(network, BATCH, names)
    with torch.no_grad():
        for place, weight in enumerate(network.parameters()):
            weight[place].neg_()
    assert proxies.score_network(network, BATCH, names) == before
    assert proxies.score_network(network, BATCH, ["snip"])["snip"] > 0


def test_grasp_is_the_change_of_the_gradient_along_itself() -> None:
    network = Small().double()
    batch = (BATCH[0].double(), BATCH[1])
    found = proxies.score_network(network, batch, ["grasp"])["grasp"]
    weights = list(network.parameters())

    def gradient() -> list[Tensor]:
        return list(torch.autograd.grad(F.cross_entropy(network(batch[0]), batch[1]), weights))

    at = [weight.detach().clone() for weight in weights]
    base, step, sides = gradient(), 1e-5, []
    for sign in (1, -1):
        with torch.no_grad():
            for weight, start, slope in zip(weights, at, base, strict=True):
                weight.copy_(start + sign * step * slope)
        sides.append(gradient())
    products = [(up - down) / (2 * step) for up, down in zip(*sides, strict=True)]
    expected = -sum(float((start * one).sum()) for start, one in zip(at, products, strict=True))
    assert found == pytest.approx(expected, rel=1e-5)


def test_fisher_is_that_of_the_outputs_of_layers() -> None:
    network = Small().double()
    inputs, labels = BATCH[0].flatten(1).double(), BATCH[1]
    hidden = network.first(inputs)
    logits = network.second(torch.relu(hidden))
    slopes = torch.autograd.grad(F.cross_entropy(logits, labels), [hidden, logits])
    expected = sum(
        float((output.detach() * slope).square().mean(0).sum() / 2)
        for output, slope in zip((hidden, logits), slopes, strict=True)
    )
    found = proxies.score_network(network, (BATCH[0].double(), labels), ["fisher"])
    assert found["fisher"] == pytest.approx(expected)


def test_nwot_counts_where_images_agree() -> None:
    # Units of the images are (active, active) and (idle, active): they agree in one of two.
    inputs = torch.tensor([[2.0, 0.5, 1.0], [0.5, 1.0, 0.25]])
    codes = Small().first(inputs) > 0
    agree = [[int((a == b).sum()) for b in codes] for a in codes]
    expected = math.log(agree[0][0] * agree[1][1] - agree[0][1] ** 2)
    found = proxies.score_network(Small(), BATCH, ["nwot"])["nwot"]
    assert found == pytest.approx(expected)
    alike = (BATCH[0][:1].repeat(2, 1, 1, 1), BATCH[1])
    assert proxies.score_network(Small(), alike, ["nwot"])["nwot"] == -math.inf


def test_jacov_is_highest_where_images_have_gradients_of_their_own() -> None:
    class Linear(nn.Module):
        def __init__(self, shared: float) -> None:
            super().__init__()
            self.shared = shared

        def forward(self, x: Tensor) -> Tensor:
            x = x.flatten(1)
            # Own gradients: x itself; shared ones: a ramp.
            own = x.square().sum(1) / 2
            ramp = (x * torch.arange(x.shape[1])).sum(1)
            return ((1 - self.shared) * own + self.shared * ramp)[:, None].repeat(1, 10)

    inputs = torch.randn((8, 3, 4, 4), generator=torch.Generator().manual_seed(0))
    found = [
        proxies.score_network(Linear(shared), (inputs, torch.zeros(8).long()), ["jacov"])["jacov"]
        for shared in (0.0, 0.3, 0.9)
    ]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == 3


def test_a_network_without_a_path_has_no_jacov_and_no_gradients() -> None:
    space, _ = nb201()
    sample = dict.fromkeys(space.choices.labels, "none")
    found = proxies.score(space, sample, a_batch(), ["jacov", "synflow", "snip"])
    assert math.isnan(found["jacov"])
    assert found["synflow"] == 0


def test_bad_names_and_batches_are_refused() -> None:
    space, sample = nb201()
    with pytest.raises(InvalidArgumentError, match="synflow"):
        proxies.score(space, sample, a_batch(), ["sinflow"])
    with pytest.raises(InvalidArgumentError, match="two or more"):
        proxies.score(space, sample, a_batch(1))
    with pytest.raises(InvalidArgumentError, match="multiples of 4"):
        proxies.score(space, sample, a_batch(side=30))
    with pytest.raises(InvalidArgumentError, match="height"):
        proxies.score(space, sample, (torch.zeros(4, 3), torch.zeros(4).long()))
    with pytest.raises(LabelError, match="label 12"):
        proxies.score(space, sample, (a_batch()[0], torch.tensor([0, 1, 2, 12])))


def test_a_study_searches_by_scores() -> None:
    space, _ = nb201()
    evaluator = proxies.ProxyEvaluator(a_batch(), ["synflow", "nwot"])
    problem = SpaceProblem(space, evaluator, objectives=["synflow"])
    study = Study(None, problem, RandomSearch(seed=0))
    study.run(Budget(trials=4))
    best = study.best
    assert best is not None
    assert best.metrics["synflow"] == max(trial.metrics["synflow"] for trial in study.trials)
    assert pickle.loads(pickle.dumps(evaluator)).settings == evaluator.settings
    other = proxies.ProxyEvaluator(a_batch(seed=1), ["synflow", "nwot"])
    assert json.dumps(other.settings) != json.dumps(evaluator.settings)
    with pytest.raises(InvalidArgumentError, match="synflow"):
        proxies.ProxyEvaluator(a_batch(), ["sinflow"])
