"""Searched activations: every function against its formula, gradients, choices, user networks."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from model_hub.activations import (
    BINARY,
    LEARNED,
    UNARY,
    AutoActivation,
    BinaryFunction,
    UnaryFunction,
    activation_choices,
)
from model_hub.arguments import a_count
from model_hub.choices import Sample
from model_hub.errors import InvalidArgumentError, InvalidSampleError
from model_hub.model_space import ModelSpace
from model_hub.search_space import SearchSpace

BETA = 0.75

# The specification, section 14, in Python's own mathematics.
UNARY_FORMULAS: dict[str, Callable[[float], float]] = {
    "UnaryIdentity": lambda x: x,
    "UnaryNegative": lambda x: -x,
    "UnaryAbs": abs,
    "UnarySquare": lambda x: x**2,
    "UnaryPow": lambda x: x**3,
    "UnarySqrt": lambda x: math.sqrt(x) if x >= 0 else math.nan,
    "UnaryMul": lambda x: x * BETA,
    "UnaryAdd": lambda x: x + BETA,
    "UnaryLogAbs": lambda x: math.log(abs(x) + 1e-7),
    "UnaryExp": math.exp,
    "UnarySin": math.sin,
    "UnaryCos": math.cos,
    "UnarySinh": math.sinh,
    "UnaryCosh": math.cosh,
    "UnaryTanh": math.tanh,
    "UnaryAtan": math.atan,
    "UnaryMax": lambda x: max(x, 0),
    "UnaryMin": lambda x: min(x, 0),
    "UnarySigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "UnaryLogExp": lambda x: math.log1p(math.exp(x)),
    "UnaryExpSquare": lambda x: math.exp(-(x**2)),
    "UnaryErf": math.erf,
    "UnarySinc": lambda x: math.sin(math.pi * x) / (math.pi * x) if x else 1,
    "UnaryAsinh": math.asinh,
}

BINARY_FORMULAS: dict[str, Callable[[float, float], float]] = {
    "BinaryAdd": lambda a, b: a + b,
    "BinaryMul": lambda a, b: a * b,
    "BinaryMinus": lambda a, b: a - b,
    "BinaryDivide": lambda a, b: a / (b + 1e-7),
    "BinaryMax": max,
    "BinaryMin": min,
    "BinarySigmoid": lambda a, b: b / (1 + math.exp(-a)),
    "BinaryExpSquare": lambda a, b: math.exp(-BETA * (a - b) ** 2),
    "BinaryExpAbs": lambda a, b: math.exp(-BETA * abs(a - b)),
    "BinaryParamAdd": lambda a, b: BETA * a + (1 - BETA) * b,
}

NUMBERS = [-20.0, -3.0, -1.0, -0.5, 0.0, 1e-3, 0.3, 1.0, 2.5, 20.0]


def with_beta(function: Any) -> Any:
    if function.beta is not None:
        nn.init.constant_(function.beta, BETA)
    return function.double()


def test_there_are_24_unary_and_10_binary_functions_in_order() -> None:
    assert set(UNARY) == set(UNARY_FORMULAS)
    assert set(BINARY) == set(BINARY_FORMULAS)
    assert (len(UNARY), len(BINARY)) == (24, 10)
    assert list(UNARY) == sorted(UNARY)
    assert list(BINARY) == sorted(BINARY)


@pytest.mark.parametrize("name", UNARY)
def test_a_unary_function_is_its_formula(name: str) -> None:
    x = torch.tensor(NUMBERS, dtype=torch.float64)
    values = with_beta(UnaryFunction(name))(x)
    expected = torch.tensor(
        [UNARY_FORMULAS[name](number) for number in NUMBERS], dtype=torch.float64
    )
    torch.testing.assert_close(values, expected, rtol=1e-12, atol=1e-15, equal_nan=True)


@pytest.mark.parametrize("name", BINARY)
def test_a_binary_function_is_its_formula(name: str) -> None:
    pairs = [(a, b) for a in NUMBERS for b in NUMBERS]
    a, b = torch.tensor(pairs, dtype=torch.float64).unbind(1)
    values = with_beta(BinaryFunction(name))(a, b)
    expected = torch.tensor([BINARY_FORMULAS[name](*pair) for pair in pairs], dtype=torch.float64)
    torch.testing.assert_close(values, expected, rtol=1e-12, atol=1e-15)


@given(st.sampled_from(sorted(UNARY)), st.floats(-30, 30))
def test_the_gradient_of_a_unary_function_is_finite_where_it_is_defined(
    name: str, number: float
) -> None:
    if name == "UnarySqrt" and number <= 0:
        return
    x = torch.tensor([number], dtype=torch.float64, requires_grad=True)
    function = UnaryFunction(name).double()
    function(x).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite() for p in function.parameters())


@given(st.sampled_from(sorted(BINARY)), st.floats(-30, 30), st.floats(-30, 30))
def test_the_gradient_of_a_binary_function_is_finite(name: str, left: float, right: float) -> None:
    a = torch.tensor([left], dtype=torch.float64, requires_grad=True)
    b = torch.tensor([right], dtype=torch.float64, requires_grad=True)
    function = BinaryFunction(name).double()
    if name == "BinaryDivide" and abs(right + 1e-7) < 1e-12:
        return
    function(a, b).sum().backward()
    gradients = [a.grad, b.grad, *(parameter.grad for parameter in function.parameters())]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("name", sorted(set(UNARY) - {"UnarySqrt"}))
def test_gradients_are_the_slopes(name: str) -> None:
    x = torch.tensor([-2.1, -0.4, 0.6, 1.7], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(with_beta(UnaryFunction(name)), x)


def test_a_large_exponent_does_not_overflow_where_its_logarithm_does_not() -> None:
    x = torch.tensor([1000.0, -1000.0])
    assert UnaryFunction("UnaryLogExp")(x).tolist() == [1000.0, 0.0]


@pytest.mark.parametrize("name", [*UNARY, *BINARY])
def test_only_learned_functions_have_a_scalar_and_it_starts_at_one(name: str) -> None:
    function = UnaryFunction(name) if name in UNARY else BinaryFunction(name)
    assert [p.item() for p in function.parameters()] == [1.0] * (name in LEARNED)


def test_functions_are_combined_from_left_to_right() -> None:
    activation = AutoActivation(
        ["UnaryNegative", "UnarySquare", "UnaryIdentity"], ["BinaryMinus", "BinaryDivide"]
    )
    x = torch.tensor([2.0])
    assert activation(x).item() == pytest.approx((-2 - 4) / 2)


def test_swish_is_in_the_space() -> None:
    swish = AutoActivation(["UnaryIdentity", "UnaryIdentity"], ["BinarySigmoid"])
    x = torch.randn(100)
    torch.testing.assert_close(swish(x), nn.functional.silu(x))


def test_choices_are_data_under_the_label() -> None:
    choices = activation_choices("act", unit_num=2, binary_candidates=["BinaryAdd", "BinaryMul"])
    assert {choice.label: choice.candidates for choice in choices} == {
        "act/unary_0": tuple(UNARY),
        "act/unary_1": tuple(UNARY),
        "act/unary_2": tuple(UNARY),
        "act/binary_0": ("BinaryAdd", "BinaryMul"),
        "act/binary_1": ("BinaryAdd", "BinaryMul"),
    }
    assert SearchSpace("Activation", activation_choices("act")).size == 24 * 24 * 10


@dataclass(frozen=True, kw_only=True)
class Perceptron(ModelSpace):
    """A space as a user writes it: both layers share one activation."""

    hidden: int = 8

    def _check(self) -> None:
        a_count("hidden", self.hidden)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (4,)

    @property
    def most_blocks(self) -> int:
        return 2

    def _choices(self) -> SearchSpace:
        return SearchSpace("Perceptron", activation_choices("act"))

    def _network(self, values: Sample) -> nn.Module:
        return nn.Sequential(
            nn.Linear(4, self.hidden),
            AutoActivation.of_sample(values, "act"),
            nn.Linear(self.hidden, self.hidden),
            AutoActivation.of_sample(values, "act"),
            nn.Linear(self.hidden, 2),
        )


SAMPLE = {
    "act/unary_0": "UnaryMul",
    "act/unary_1": "UnaryTanh",
    "act/binary_0": "BinaryParamAdd",
}


def test_it_works_in_a_network_of_a_user() -> None:
    torch.manual_seed(0)
    network = Perceptron().freeze(SAMPLE)
    x, labels = torch.randn(16, 4), torch.arange(16) % 2
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(x), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_its_scalars_count_as_parameters() -> None:
    linear = 4 * 8 + 8 + 8 * 8 + 8 + 8 * 2 + 2
    assert Perceptron().profile(SAMPLE).parameters == linear + 2 * 2


def test_every_activation_of_the_space_builds_and_keeps_the_shape() -> None:
    space = Perceptron()
    for seed in range(20):
        network = space.freeze(space.choices.sample(seed))
        assert network(torch.rand(3, 4)).shape == (3, 2)


def test_a_network_can_be_copied_and_stored_whole() -> None:
    activation = AutoActivation.of_sample(SAMPLE, "act")
    for copied in (copy.deepcopy(activation), pickle.loads(pickle.dumps(activation))):
        x = torch.randn(5)
        assert torch.equal(copied(x), activation(x))


def test_a_module_says_its_functions() -> None:
    text = str(AutoActivation.of_sample(SAMPLE, "act"))
    assert all(name in text for name in SAMPLE.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"act/unary_0": "UnaryTan"}, "act/unary_0: 'UnaryTan' is no function"),
        ({"act/binary_0": "UnaryTanh"}, "act/binary_0: 'UnaryTanh' is no function"),
    ],
)
def test_a_bad_choice_is_refused_by_label(change: dict[str, str], message: str) -> None:
    with pytest.raises(InvalidSampleError, match=message):
        AutoActivation.of_sample(SAMPLE | change, "act")


def test_a_missing_choice_is_refused_by_label() -> None:
    with pytest.raises(InvalidSampleError, match="act/unary_2: the sample lacks this label"):
        AutoActivation.of_sample(SAMPLE, "act", unit_num=2)


@pytest.mark.parametrize(
    ("unary", "binary", "argument"),
    [
        (["UnaryTan", "UnaryTanh"], ["BinaryAdd"], "name"),
        (["UnaryTanh"], ["BinaryAdd"], "unary"),
        ([], [], "unary"),
        ("UnaryTanh", [], "unary"),
    ],
)
def test_functions_that_do_not_fit_are_refused(unary: Any, binary: Any, argument: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        AutoActivation(unary, binary)
    assert caught.value.argument == argument


@pytest.mark.parametrize(
    "arguments",
    [
        {"unit_num": 0},
        {"unary_candidates": []},
        {"unary_candidates": "UnaryTanh"},
        {"unary_candidates": ["BinaryAdd"]},
        {"binary_candidates": ["BinaryPlus"]},
    ],
)
def test_bad_arguments_of_choices_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        activation_choices("act", **arguments)
    assert caught.value.argument == next(iter(arguments))
