"""Relaxations against closed forms, finite differences and counted draws."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from patterned_images import cell_space, halves, mobile_space
from torch import Tensor, nn

from model_hub.errors import InvalidArgumentError
from nas_search.oneshot import (
    Alphas,
    BinaryGates,
    CostTable,
    Gumbel,
    GumbelHard,
    Linear,
    Reinforced,
    Row,
    Softmax,
    Supernet,
    Switch,
    search_supernet,
)
from nas_search.oneshot.alphas import drawn_path
from nas_search.oneshot.relaxations import ArchStep, Moment, unrolled
from nas_search.training import Recipe
from nas_search.training.data import seeded

ARCH = Recipe(optimizer="adam", lr=0.02, beta=0.0, schedule="constant")
RECIPE = Recipe(epochs=2, batch_size=40, lr=0.05, clip_norm=5)


class Toy(nn.Module):
    """One place with some candidates, which has what relaxations use of a supernet."""

    def __init__(self, candidates: int = 2) -> None:
        super().__init__()
        torch.manual_seed(0)
        names = tuple("xyz"[:candidates])
        self.row = Row("a", names)
        self.rows = {"a": self.row}
        self.entry = nn.Linear(3, 3)
        self.switch = Switch(self.row, {name: nn.Linear(3, 2) for name in names})
        self.space = SimpleNamespace(choices=SimpleNamespace(labels=("a",)))
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.switch(self.entry(x))
        return y

    def activate(self, sample: Mapping[str, Any]) -> None:
        self.row.choose(sample["a"])

    def mix(self, weights: Mapping[str, Tensor]) -> None:
        self.row.weights = weights["a"]

    def decode(self, probabilities: Mapping[str, Tensor]) -> dict[str, Any]:
        return {"a": self.row.candidates[int(probabilities["a"].argmax())]}


def logits(*values: float) -> Alphas:
    alphas = Alphas({"a": len(values)})
    alphas["a"].data = torch.tensor(values, dtype=torch.float64)
    return alphas


INPUTS = torch.randn((5, 3), dtype=torch.float64, generator=torch.Generator().manual_seed(1))
SLOPE = torch.randn((5, 2), dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def a_step(
    toy: Toy,
    alphas: Alphas,
    loss: Callable[[Tensor], Tensor],
    *,
    seed: int = 0,
    total: Any = None,
    accuracy: Any = None,
    cost: Any = None,
) -> ArchStep:
    return ArchStep(
        supernet=toy,  # type: ignore[arg-type]  # has what a step uses
        alphas=alphas,
        moment=at(torch.Generator().manual_seed(seed)),
        train_loss=lambda: loss(toy(INPUTS)),
        valid_loss=lambda: loss(toy(INPUTS)),
        valid_accuracy=accuracy or (lambda: 0.0),
        total=total or (lambda found, _: found),
        cost=cost,
        optimizer=torch.optim.SGD(toy.parameters(), lr=0.1),
    )


def at(generator: torch.Generator, epoch: int = 0, *, epochs: int = 2) -> Moment:
    return Moment(epoch=epoch, epochs=epochs, generator=generator)


def linear(outputs: Tensor) -> Tensor:
    return (outputs * SLOPE).sum()


def expected_loss(toy: Toy, row: Tensor, loss: Callable[[Tensor], Tensor]) -> float:
    total = 0.0
    for share, name in zip(row.softmax(0).tolist(), toy.row.candidates, strict=True):
        toy.activate({"a": name})
        total += share * float(loss(toy(INPUTS)).detach())
    return total


def differences(function: Callable[[Tensor], float], row: Tensor, size: float = 1e-6) -> Tensor:
    found = torch.zeros_like(row)
    for place in range(len(row)):
        shift = torch.zeros_like(row)
        shift[place] = size
        found[place] = (function(row + shift) - function(row - shift)) / (2 * size)
    return found


@pytest.mark.parametrize("seed", range(4))
def test_binary_gates_have_the_gradient_of_the_expected_loss(seed: int) -> None:
    """Where the loss is linear in the outputs, the formula is exact, whichever path is drawn."""
    toy, alphas = Toy(), logits(0.3, -0.4)
    (found,) = BinaryGates().gradients(a_step(toy, alphas, linear, seed=seed))
    wanted = differences(lambda row: expected_loss(toy, row, linear), alphas["a"].detach())
    torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-8)


def test_a_gate_is_the_derivative_of_the_loss_by_the_weight_of_its_candidate() -> None:
    toy, alphas = Toy(3), logits(0.3, -0.4, 0.1)

    def curved(outputs: Tensor) -> Tensor:
        return (outputs**2 * SLOPE.abs()).sum().exp() ** 0.01

    step = a_step(toy, alphas, curved)
    (found,) = BinaryGates().gradients(step)
    chosen = toy.row.candidates.index(toy.row.chosen)  # type: ignore[arg-type]
    hot = torch.eye(3, dtype=torch.float64)[chosen]

    def at(gates: Tensor) -> float:
        toy.mix({"a": gates})
        return float(curved(toy(INPUTS)).detach())

    gates = differences(at, hot)
    shares = alphas["a"].detach().softmax(0)
    wanted = shares * (gates - (gates * shares).sum())
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-8)


def test_costs_join_the_gradient_of_gates() -> None:
    toy, alphas = Toy(), logits(0.3, -0.4)
    costs = torch.tensor([5.0, 1.0], dtype=torch.float64)

    def total(loss: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
        return 2 * loss * (weights["a"] * costs).sum()

    step = a_step(toy, alphas, linear, total=total)
    (found,) = BinaryGates().gradients(step)
    loss = float(linear(toy(INPUTS)).detach())
    row = alphas["a"].detach()
    share = row.softmax(0)
    by_gates = differences(lambda one: expected_loss(toy, one, linear), row)
    by_costs = differences(lambda one: float((one.softmax(0) * costs).sum()), row)
    wanted = 2 * float((share * costs).sum()) * by_gates + 2 * loss * by_costs
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-8)


def test_two_gates_move_two_logits_and_leave_their_joint_probability() -> None:
    toy, alphas = Toy(3), logits(0.3, -0.4, 0.1)
    relaxation = BinaryGates(gates="two")
    optimizer = torch.optim.Adam(alphas.parameters, lr=0.1, betas=(0.0, 0.999))
    pairs = set()
    for seed in range(20):
        before = alphas["a"].detach().clone()
        (slope,) = relaxation.gradients(a_step(toy, alphas, linear, seed=seed))
        pair = slope != 0
        assert int(pair.sum()) == 2
        pairs.add(tuple(pair.tolist()))
        alphas["a"].grad = slope
        optimizer.step()
        relaxation.settle([before], alphas.parameters)
        after = alphas["a"].detach()
        assert torch.equal(after[~pair], before[~pair])
        assert not torch.equal(after[pair], before[pair])
        torch.testing.assert_close(
            after.softmax(0)[pair].sum(), before.softmax(0)[pair].sum(), rtol=1e-12, atol=0
        )
    assert len(pairs) == 3
    with pytest.raises(InvalidArgumentError, match="no momentum"):
        BinaryGates(gates="two", arch_recipe=Recipe(optimizer="adam", beta=0.5))


def chi_squared(counts: Counter[str], row: Tensor, names: tuple[str, ...]) -> float:
    draws = sum(counts.values())
    wanted = (draws * row.softmax(0)).tolist()
    return sum((counts[name] - one) ** 2 / one for name, one in zip(names, wanted, strict=True))


@pytest.mark.parametrize("temperature", [0.1, 10.0])
def test_hard_draws_have_the_probabilities_of_the_logits(temperature: float) -> None:
    toy, alphas = Toy(3), logits(1.0, 0.0, -0.5)
    relaxation = GumbelHard(temperature=temperature)
    counts: Counter[str] = Counter()
    for number in range(3000):
        with relaxation.applied(toy, alphas, at(seeded(0, "draw", number))) as weights:
            counts[str(toy.row.chosen)] += 1
            hot = weights["a"].detach()
            assert toy.row.candidates[int(hot.argmax())] == toy.row.chosen
    # Two degrees of freedom: 13.8 is exceeded once in a thousand.
    assert chi_squared(counts, alphas["a"].detach(), ("x", "y", "z")) < 13.8


def test_drawn_paths_have_the_probabilities_of_the_logits() -> None:
    toy, alphas = Toy(3), logits(1.0, 0.0, -0.5)
    counts = Counter(
        str(drawn_path(toy, alphas, seeded(0, "draw", number))[0]["a"]) for number in range(3000)
    )
    assert chi_squared(counts, alphas["a"].detach(), ("x", "y", "z")) < 13.8


def test_a_hard_draw_computes_what_its_path_computes_and_has_a_gradient() -> None:
    for space, side in ((cell_space(), 8), (mobile_space(), 32)):
        supernet = Supernet(space).eval()
        alphas = Alphas.of(supernet, seed=3)
        inputs = torch.randn((2, 3, side, side), generator=torch.Generator().manual_seed(0))
        for number in range(5):
            with GumbelHard().applied(supernet, alphas, at(seeded(0, number))) as weights:
                mixed = supernet(inputs)
                slopes = torch.autograd.grad(mixed.sum(), alphas.parameters, allow_unused=True)
            sample = supernet.decode(weights)
            supernet.activate(sample)
            assert torch.equal(mixed, supernet(inputs))
            used = {name for name, one in zip(alphas, slopes, strict=True) if one is not None}
            # An edge that `none` cuts off later has no gradient either.
            assert used <= sample.keys()
            assert used == sample.keys() or side == 8


def test_certain_logits_are_the_single_path() -> None:
    for space, side in ((cell_space(), 8), (mobile_space(), 32)):
        supernet = Supernet(space).eval()
        inputs = torch.randn((2, 3, side, side), generator=torch.Generator().manual_seed(0))
        for seed in range(5):
            sample = space.choices.sample(seed)
            rows = {
                name: torch.tensor(
                    [
                        30.0 if one == sample.get(name, candidates[0]) else -30.0
                        for one in candidates
                    ]
                )
                for name, candidates in supernet.mixtures.items()
            }
            with (
                torch.no_grad(),
                Softmax().applied(supernet, rows, at(torch.Generator())),
            ):
                mixed = supernet(inputs)
            supernet.activate(sample)
            torch.testing.assert_close(mixed, supernet(inputs).detach())
            assert supernet.decode(rows) == sample


def test_soft_draws_cool_down_and_add_up_to_one() -> None:
    supernet = Supernet(cell_space())
    alphas = Alphas.of(supernet)
    largest = []
    for epoch in (0, 100):
        with Gumbel().applied(supernet, alphas, at(seeded(0), epoch, epochs=101)) as weights:
            rows = [row.detach() for row in weights.values()]
            assert all(float(row.sum()) == pytest.approx(1) for row in rows)
            largest.append(min(float(row.max()) for row in rows))
    assert largest[0] < 0.6
    assert largest[1] > 0.9


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), "hot"])
def test_temperatures_that_are_not_above_zero_are_refused(value: Any) -> None:
    for make in (
        lambda: Gumbel(temperature=value),
        lambda: GumbelHard(temperature=value),
        lambda: GumbelHard(last_temperature=value),
    ):
        with pytest.raises(InvalidArgumentError, match="temperature"):
            make()


def test_the_second_order_gradient_is_that_of_the_closed_form() -> None:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn((4, 3), dtype=torch.float64, generator=generator)
    aim = torch.randn(4, dtype=torch.float64, generator=generator)
    weight = nn.Parameter(torch.randn(4, dtype=torch.float64, generator=generator))
    alpha = nn.Parameter(torch.randn(3, dtype=torch.float64, generator=generator))
    for decay, momentum in ((0.0, 0.0), (0.1, 0.9)):
        optimizer = torch.optim.SGD([weight], lr=0.2, weight_decay=decay, momentum=momentum)
        buffer = torch.zeros(4, dtype=torch.float64)
        if momentum:
            buffer = torch.randn(4, dtype=torch.float64, generator=generator)
            optimizer.state[weight]["momentum_buffer"] = buffer
        before = weight.detach().clone()
        (found,) = unrolled(
            [weight],
            [alpha],
            train_loss=lambda: ((weight - matrix @ alpha) ** 2).sum() / 2,
            valid_loss=lambda: ((weight - aim) ** 2).sum() / 2 + alpha.sum(),
            optimizer=optimizer,
        )
        assert torch.equal(weight.detach(), before)
        slope = before - matrix @ alpha.detach()
        ahead = before - 0.2 * (slope + decay * before + momentum * buffer)
        wanted = 1 + 0.2 * matrix.T @ (ahead - aim)
        torch.testing.assert_close(found, wanted, rtol=1e-6, atol=1e-8)


def test_rewarded_candidates_become_probable() -> None:
    toy, alphas = Toy(3), logits(0.0, 0.0, 0.0)
    optimizer = torch.optim.Adam(alphas.parameters, lr=0.05, betas=(0.0, 0.999))

    def accuracy() -> float:
        return 0.9 if toy.row.chosen == "y" else 0.5

    relaxation = Reinforced(target=10.0, omega=0.1)
    for cost, best in (
        (None, "y"),
        # A cost of a thousandth multiplies the reward by two.
        (lambda path: 0.01 if path["a"] == "z" else 10.0, "z"),
    ):
        alphas["a"].data.zero_()
        alphas.baseline.zero_()
        for seed in range(120):
            step = a_step(toy, alphas, linear, seed=seed, accuracy=accuracy, cost=cost)
            (alphas["a"].grad,) = relaxation.gradients(step)
            optimizer.step()
        assert toy.decode(alphas) == {"a": best}
        assert float(alphas["a"].detach().softmax(0).max()) > 0.9
    for arguments in ({"target": 0}, {"target": -1.0}, {"omega": -0.1}, {"paths": 0}):
        with pytest.raises(InvalidArgumentError):
            Reinforced(**arguments)  # type: ignore[arg-type]


RELAXATIONS = [
    Softmax(),
    Softmax(second_order=True),
    Gumbel(warmup_epochs=0),
    GumbelHard(),
    BinaryGates(warmup_epochs=0, every=1),
    BinaryGates(gates="two", warmup_epochs=0, every=1),
    Reinforced(paths=3, warmup_epochs=0, every=1),
]


def named(relaxation: Any) -> str:
    extra = getattr(relaxation, "gates", getattr(relaxation, "second_order", ""))
    return f"{type(relaxation).__name__} {extra}".strip()


@pytest.mark.parametrize("relaxation", RELAXATIONS, ids=named)
def test_logits_and_weights_know_nothing_of_each_other(relaxation: Any) -> None:
    """Steps of logits leave no trace in weights and statistics, and weight steps none in logits."""
    data, states = halves(160), []
    slow = Recipe(optimizer="sgd", lr=1e-12, momentum=0, schedule="constant")
    changes: dict[str, Any] = {"warmup_epochs": relaxation.warmup_epochs}
    for warmup in (0, 2):
        changes["warmup_epochs"] = warmup
        fresh = type(relaxation)(**{**vars(relaxation), **changes})
        supernet = Supernet(cell_space())
        found = search_supernet(supernet, data, fresh, recipe=RECIPE, arch_recipe=slow, seed=1)
        states.append((supernet.state_dict(), found.probabilities))
    (with_steps, shares), (without, others) = states
    assert shares == others
    assert all(torch.equal(with_steps[name], without[name]) for name in without)
    fast = search_supernet(
        Supernet(cell_space()), data, relaxation, recipe=RECIPE, arch_recipe=ARCH
    )
    assert fast.probabilities != shares
    settings = relaxation.settings
    assert json.loads(json.dumps(settings)) == settings


@pytest.mark.parametrize(
    "relaxation", [one for one in RELAXATIONS if one != Softmax(second_order=True)], ids=named
)
def test_every_relaxation_searches_a_space_with_depths(relaxation: Any) -> None:
    space = mobile_space()
    recipe = Recipe(epochs=1, batch_size=10, lr=0.05, clip_norm=5)
    told: list[Mapping[str, float]] = []
    found = search_supernet(
        Supernet(space), halves(40, side=32), relaxation, recipe=recipe, report=told.append
    )
    assert found.sample == space.choices.validate(found.sample)
    assert told == list(found.curve)
    assert found.curve[0]["arch/entropy"] > 0
    assert sum(found.curve[0][f"arch/s2_depth/{depth}"] for depth in (1, 2, 3, 4)) == pytest.approx(
        1
    )


@pytest.mark.parametrize(
    "relaxation", [one for one in RELAXATIONS if not isinstance(one, Reinforced)], ids=named
)
def test_a_loss_of_costs_makes_the_search_cheaper(relaxation: Any) -> None:
    space = cell_space()
    table = CostTable.of(space, "macs", unit=1e6)
    recipe = Recipe(epochs=4, batch_size=10, lr=0.01, clip_norm=5)
    found = search_supernet(
        Supernet(space),
        halves(60),
        relaxation,
        recipe=recipe,
        arch_recipe=Recipe(**{**ARCH.as_dict(), "lr": 0.2}),
        costs=table,
        cost_loss=Linear(target=0.05, lam=20.0),
    )
    first, last = found.curve[0]["cost/expected"], found.curve[-1]["cost/expected"]
    assert last < 0.9 * first
    with pytest.raises(InvalidArgumentError, match="needs a table"):
        search_supernet(Supernet(space), halves(), relaxation, cost_loss=Linear(target=1.0))
