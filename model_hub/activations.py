"""Searched activation functions, composed of unary and binary functions.

    out = u0(x); out = b0(out, u1(x)); out = b1(out, u2(x)); ...

The choices of an activation can be part of any space, and its module part of any network:

    space = SearchSpace("Mine", (*activation_choices("act"), ...))
    layer = AutoActivation.of_sample(sample, "act")

Ramachandran et al. 2017, arXiv:1710.05941, found Swish in such a space.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar, Final, Self, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the usual name

from model_hub.arguments import a_count, one_of
from model_hub.choices import LayerChoice, Sample
from model_hub.errors import InvalidArgumentError, InvalidSampleError, shown

__all__ = [
    "BINARY",
    "LEARNED",
    "UNARY",
    "AutoActivation",
    "BinaryFunction",
    "UnaryFunction",
    "activation_choices",
]

_TINY: Final = 1e-7
"""Added to the argument of a logarithm and to a divisor, so that they are not 0."""

Function: TypeAlias = Callable[..., Tensor]
"""A function of one or two tensors and, if its name is in `LEARNED`, of a learned scalar."""


def _log_exp(x: Tensor) -> Tensor:
    """Return log(1 + e^x) without overflow, exact to the last digits unlike `softplus`."""
    return torch.logaddexp(x, torch.zeros_like(x))


UNARY: Final[Mapping[str, Function]] = MappingProxyType(
    {
        "UnaryAbs": torch.abs,
        "UnaryAdd": torch.add,
        "UnaryAsinh": torch.asinh,
        "UnaryAtan": torch.atan,
        "UnaryCos": torch.cos,
        "UnaryCosh": torch.cosh,
        "UnaryErf": torch.erf,
        "UnaryExp": torch.exp,
        "UnaryExpSquare": lambda x: torch.exp(-x.square()),
        "UnaryIdentity": lambda x: x,
        "UnaryLogAbs": lambda x: torch.log(x.abs() + _TINY),
        "UnaryLogExp": _log_exp,
        "UnaryMax": F.relu,
        "UnaryMin": partial(torch.clamp, max=0),
        "UnaryMul": torch.mul,
        "UnaryNegative": torch.neg,
        "UnaryPow": partial(torch.pow, exponent=3),
        "UnarySigmoid": torch.sigmoid,
        "UnarySin": torch.sin,
        "UnarySinc": torch.sinc,
        "UnarySinh": torch.sinh,
        "UnarySqrt": torch.sqrt,
        "UnarySquare": torch.square,
        "UnaryTanh": torch.tanh,
    }
)
"""Functions of one tensor by name; the square root of a negative number is NaN."""

BINARY: Final[Mapping[str, Function]] = MappingProxyType(
    {
        "BinaryAdd": torch.add,
        "BinaryDivide": lambda a, b: a / (b + _TINY),
        "BinaryExpAbs": lambda a, b, beta: torch.exp(-beta * (a - b).abs()),
        "BinaryExpSquare": lambda a, b, beta: torch.exp(-beta * (a - b).square()),
        "BinaryMax": torch.maximum,
        "BinaryMin": torch.minimum,
        "BinaryMinus": torch.sub,
        "BinaryMul": torch.mul,
        "BinaryParamAdd": lambda a, b, beta: beta * a + (1 - beta) * b,
        "BinarySigmoid": lambda a, b: torch.sigmoid(a) * b,
    }
)
"""Functions of two tensors of equal shape by name."""

LEARNED: Final = frozenset(
    {"BinaryExpAbs", "BinaryExpSquare", "BinaryParamAdd", "UnaryAdd", "UnaryMul"}
)
"""Functions whose last operand is a learned scalar with the initial value 1."""


class _Function(nn.Module):
    """A module of a named function, with its learned scalar if it has one."""

    _table: ClassVar[Mapping[str, Function]]

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = one_of("name", name, tuple(self._table))
        self.beta = nn.Parameter(torch.ones(())) if self.name in LEARNED else None

    def _apply_to(self, *operands: Tensor) -> Tensor:
        learned = () if self.beta is None else (self.beta,)
        return self._table[self.name](*operands, *learned)

    def extra_repr(self) -> str:
        """Return the name of the function."""
        return self.name


class UnaryFunction(_Function):
    """A module of a function in `UNARY`.

    Args:
        name: Name of the function.

    Raises:
        InvalidArgumentError: The name is unknown.
    """

    _table = UNARY

    def forward(self, x: Tensor) -> Tensor:
        """Apply the function to each element."""
        return self._apply_to(x)


class BinaryFunction(_Function):
    """A module of a function in `BINARY`.

    Args:
        name: Name of the function.

    Raises:
        InvalidArgumentError: The name is unknown.
    """

    _table = BINARY

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """Apply the function to each pair of elements."""
        return self._apply_to(a, b)


class AutoActivation(nn.Module):
    """An activation function composed of unary and binary functions.

    Args:
        unary: Names of the functions of the input; one more than `binary`.
        binary: Names of the functions that combine their results, in order.

    Raises:
        InvalidArgumentError: The numbers of functions do not fit, or a name is unknown.
    """

    def __init__(self, unary: Sequence[str], binary: Sequence[str]) -> None:
        super().__init__()
        if isinstance(unary, str) or len(unary) != len(binary) + 1:
            raise InvalidArgumentError(
                "unary", f"{shown(unary)} is not one function more than {shown(binary)}"
            )
        self.unary = nn.ModuleList(map(UnaryFunction, unary))
        self.binary = nn.ModuleList(map(BinaryFunction, binary))

    @classmethod
    def of_sample(cls, sample: Sample, label: str, *, unit_num: int = 1) -> Self:
        """Build the activation of a sample with the labels of `activation_choices`.

        Args:
            sample: Labels and chosen values; other labels are ignored.
            label: As given to `activation_choices`.
            unit_num: As given to `activation_choices`.

        Raises:
            InvalidSampleError: A label is missing, or its value is not a function.
        """

        def chosen(key: str, table: Mapping[str, Function]) -> str:
            if key not in sample:
                raise InvalidSampleError(key, "the sample lacks this label of the activation")
            if (name := sample[key]) not in table:
                raise InvalidSampleError(key, f"{shown(name)} is no function")
            return str(name)

        return cls(
            [chosen(f"{label}/unary_{i}", UNARY) for i in range(unit_num + 1)],
            [chosen(f"{label}/binary_{i}", BINARY) for i in range(unit_num)],
        )

    def forward(self, x: Tensor) -> Tensor:
        """Apply the activation to each element."""
        first, *others = self.unary
        y: Tensor = first(x)
        for combine, function in zip(self.binary, others, strict=True):
            y = combine(y, function(x))
        return y


def activation_choices(
    label: str,
    *,
    unit_num: int = 1,
    unary_candidates: Sequence[str] | None = None,
    binary_candidates: Sequence[str] | None = None,
) -> tuple[LayerChoice, ...]:
    """Return the choices of an activation, `label/unary_0` and so on.

    Args:
        label: Prefix of the labels; activations with the same label share their choices.
        unit_num: Number of binary functions.
        unary_candidates: Names in `UNARY`; all by default.
        binary_candidates: Names in `BINARY`; all by default.

    Raises:
        InvalidArgumentError: There are no candidates, or a name is unknown.
    """
    a_count("unit_num", unit_num, most=1000)
    unary = _named("unary_candidates", unary_candidates, UNARY)
    binary = _named("binary_candidates", binary_candidates, BINARY)
    return (
        *(LayerChoice(f"{label}/unary_{i}", unary) for i in range(unit_num + 1)),
        *(LayerChoice(f"{label}/binary_{i}", binary) for i in range(unit_num)),
    )


def _named(argument: str, names: Any, table: Mapping[str, Function]) -> tuple[str, ...]:
    if names is None:
        return tuple(table)
    if isinstance(names, str) or not names:
        raise InvalidArgumentError(argument, f"{shown(names)} is not a list of functions")
    return tuple(one_of(argument, name, tuple(table)) for name in names)
