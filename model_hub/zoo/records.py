"""Records of searched models, as data.

A record has the space, the arguments and the architecture of a network, the files of its weights,
and the protocol of its published accuracy. The records of the hub are the JSON files in `records`
beside this module. Users can add their own in `records` in the folder of weights, which is
$NASBENCH_ZOO_DIR or ~/.nasbenchmark/zoo. Both have the same form:

    {"defaults": {"space": "ProxylessNAS", …}, "models": {"proxyless-cpu": {…}, …}}

Missing fields of a model are taken from `defaults`; `arguments` are merged. Errors name the file,
the model and the field.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeVar

from model_hub.errors import ModelHubError, RecordError, named, nearest, shown
from model_hub.protocols import EvaluationProtocol, protocol

__all__ = [
    "NAMINGS",
    "Counts",
    "Fields",
    "Figure",
    "Record",
    "WeightFile",
    "all_records",
    "counts",
    "names",
    "record",
    "records_folder",
    "weights_path",
    "zoo_folder",
]


_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]*")
_SHA256: Final = re.compile(r"[0-9a-f]{8,64}")
NAMINGS: Final = ("hub", "order", "autoformer", "darts", "mobilenetv3", "proxylessnas")
"""Naming schemes of tensors: the hub's names, other names in the hub's order, or those of the
authors of a family."""

T = TypeVar("T")

_VARIABLE: Final = "NASBENCH_ZOO_DIR"
_DEFAULT: Final = "~/.nasbenchmark/zoo"


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """A published accuracy.

    Attributes:
        top1: Top-1 accuracy in percent.
        top5: Top-5 accuracy in percent, if published.
        source: Where it was published.
    """

    top1: float
    top5: float | None = None
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightFile:
    """A published file of weights.

    Attributes:
        file: Name of the file.
        sha256: Its SHA-256 or at least the first eight digits of it; None if unknown.
        url: Its address, if known.
        inside: The key of the tensors in the file; None if there is no key.
        naming: Naming scheme of the tensors, see `NAMINGS`.
    """

    file: str
    sha256: str | None = None
    url: str | None = None
    inside: str | None = None
    naming: str = "hub"


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """A searched model.

    Attributes:
        name: Name of the model.
        space: Name of its space, see `model_hub.space_names`.
        arguments: Arguments of the space that differ from its defaults.
        architecture: The sample.
        protocol: Protocol of the evaluation.
        figures: Published accuracies, re-evaluated ones first.
        weights: Published files of its weights, in the order to try them.
        licence: Licence of the weights.
        origin: Authors and source of the weights.
        residual: Whether single blocks have residual connections that do not follow from their
            widths: in a narrower copy, widths may become equal that differed in the original.
        note: Further remarks.
    """

    name: str
    space: str
    arguments: Mapping[str, Any]
    architecture: Mapping[str, Any]
    protocol: EvaluationProtocol
    figures: tuple[Figure, ...] = ()
    weights: tuple[WeightFile, ...] = ()
    licence: str
    origin: str
    residual: Mapping[str, bool] = field(default_factory=dict)
    note: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the record as a JSON object, in the form of `models` in a file."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        del values["name"]
        return values | {
            "arguments": dict(self.arguments),
            "architecture": dict(self.architecture),
            "protocol": self.protocol.to_dict(),
            "figures": [asdict(figure) for figure in self.figures],
            "weights": [asdict(file) for file in self.weights],
            "residual": dict(self.residual),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """The size of a searched model.

    Attributes:
        parameters: Number of parameters.
        macs: Multiply-adds for an image of its protocol.
    """

    parameters: int
    macs: int


@cache
def counts() -> Mapping[str, Counts]:
    """Return the sizes of the hub's models by name, from a file with the counts of `profile`.

    The file exists because a server has no PyTorch.
    """
    stated = json.loads(files("model_hub.zoo").joinpath("counts.json").read_text("utf-8"))
    return MappingProxyType({name: Counts(**values) for name, values in stated.items()})


def names() -> tuple[str, ...]:
    """Return the names of all searched models, sorted."""
    return tuple(all_records())


def record(name: str) -> Record:
    """Return the record of a searched model.

    Raises:
        UnknownNameError: The name is unknown; the message suggests the nearest.
        RecordError: A record of the user cannot be read.
    """
    return named("searched model", name, all_records())


def all_records() -> Mapping[str, Record]:
    """Return the records of all searched models by name, sorted, including the user's own.

    Raises:
        RecordError: A record of the user cannot be read.
    """
    records = dict(_hub_records())
    for path in sorted(records_folder().glob("*.json")):
        for added in _read(path):
            if added.name in records:
                raise RecordError(f"{path}: there is already a model {added.name!r}")
            records[added.name] = added
    return dict(sorted(records.items()))


@cache
def _hub_records() -> Mapping[str, Record]:
    found = [
        record
        for path in files("model_hub.zoo").joinpath("records").iterdir()
        if path.name.endswith(".json")
        for record in _read(path)
    ]
    return {record.name: record for record in found}


def _read(path: Traversable) -> Iterator[Record]:
    try:
        stated = Fields(json.loads(path.read_text("utf-8")), path.name)
    except ValueError as error:
        raise RecordError(f"{path} is not JSON: {error}") from error
    defaults, models = stated.mapping("defaults"), stated.mapping("models")
    stated.finish()
    for name, values in models.items():
        place = f"{path.name}, {name}"
        if not _NAME.fullmatch(name):
            raise RecordError(f"{place}: a name consists of a-z, 0-9, '.', '_' and '-'")
        own = Fields(values, place).mapping("arguments")
        arguments = {**Fields(defaults, place).mapping("arguments"), **own}
        yield _record(name, Fields({**defaults, **values, "arguments": arguments}, place))


def _record(name: str, stated: Fields) -> Record:
    found = Record(
        name=name,
        space=stated.text("space"),
        arguments=MappingProxyType(stated.mapping("arguments")),
        architecture=MappingProxyType(stated.mapping("architecture")),
        protocol=_protocol(stated),
        figures=tuple(map(_figure, stated.objects("figures"))),
        weights=tuple(map(_weight_file, stated.objects("weights"))),
        licence=stated.text("licence"),
        origin=stated.text("origin"),
        residual=MappingProxyType(stated.mapping("residual")),
        note=stated.text_or_none("note"),
    )
    stated.finish()
    return found


def _protocol(stated: Fields) -> EvaluationProtocol:
    """Return the protocol of a record, which has its name or its fields."""
    named = stated.anything("protocol")
    try:
        if isinstance(named, str):
            return protocol(named)
        return EvaluationProtocol.from_dict(named)
    except (ModelHubError, TypeError) as error:
        raise RecordError(f"{stated.place}: protocol: {error}") from error


def _figure(stated: Fields) -> Figure:
    found = Figure(
        top1=stated.percentage("top1"),
        top5=stated.percentage_or_none("top5"),
        source=stated.text("source"),
    )
    stated.finish()
    return found


def _weight_file(stated: Fields) -> WeightFile:
    found = WeightFile(
        file=stated.text("file"),
        sha256=stated.text_or_none("sha256"),
        url=stated.text_or_none("url"),
        inside=stated.text_or_none("inside"),
        naming=stated.choice("naming", NAMINGS, "hub"),
    )
    if found.sha256 is not None and not _SHA256.fullmatch(found.sha256):
        raise RecordError(f"{stated.place}: sha256 is not 8 to 64 hexadecimal digits")
    stated.finish()
    return found


class Fields:
    """The fields of a JSON object, with methods that check their types.

    Args:
        values: The object.
        place: Description of the object, for messages.

    Raises:
        RecordError: The value is not an object; in methods: a field is missing or of another type.
    """

    def __init__(self, values: Any, place: str) -> None:
        if not isinstance(values, dict):
            raise RecordError(f"{place}: {shown(values)} is not an object")
        self.place = place
        self._values = dict(values)
        self._taken: list[str] = []

    def text(self, name: str) -> str:
        """Return a required text."""
        found: str = self._required(name, str, "text")
        return found

    def text_or_none(self, name: str) -> str | None:
        """Return a text, or None if it is missing or null."""
        return self.text(name) if self._stated(name) else None

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        """Return a text that must be one of `allowed`."""
        value = self._optional(name, str, "text", default)
        if value not in allowed:
            raise RecordError(
                f"{self.place}: {name} is {shown(value)}, not one of {', '.join(allowed)}"
            )
        return value

    def percentage(self, name: str) -> float:
        """Return a required number from 0 to 100."""
        value = self._required(name, int | float, "a number")
        if isinstance(value, bool) or not 0 <= value <= 100:  # noqa: PLR2004 - percent
            raise RecordError(f"{self.place}: {name} is {shown(value)}, not a percentage")
        return float(value)

    def percentage_or_none(self, name: str) -> float | None:
        """Return a number from 0 to 100, or None if it is missing or null."""
        return self.percentage(name) if self._stated(name) else None

    def mapping(self, name: str) -> Mapping[str, Any]:
        """Return an object; an empty one if it is missing."""
        return self._optional(name, dict, "an object", {})

    def objects(self, name: str) -> list[Fields]:
        """Return a list of objects; an empty one if it is missing."""
        values: list[Any] = self._optional(name, list, "a list", [])
        return [Fields(value, f"{self.place}, {name} {n}") for n, value in enumerate(values)]

    def anything(self, name: str) -> Any:
        """Return a required value of any type."""
        return self._required(name, object, "anything")

    def finish(self) -> None:
        """Refuse fields that no method has read.

        Raises:
            RecordError: There is such a field.
        """
        for name in self._values.keys() - self._taken:
            hint = nearest(name, self._taken)
            raise RecordError(f"{self.place}: there is no field {shown(name)}{hint}")

    def _stated(self, name: str) -> bool:
        self._taken.append(name)
        return self._values.get(name) is not None

    def _required(self, name: str, kind: Any, what: str) -> Any:
        if name not in self._values:
            raise RecordError(f"{self.place}: the field {name!r} is missing")
        return self._optional(name, kind, what, None)

    def _optional(self, name: str, kind: Any, what: str, default: T) -> T:
        self._taken.append(name)
        if name not in self._values:
            return default
        value: T = self._values[name]
        if not isinstance(value, kind):
            raise RecordError(f"{self.place}: {name} is {shown(value)}, not {what}")
        return value


def zoo_folder() -> Path:
    """Return the folder of weights: $NASBENCH_ZOO_DIR or ~/.nasbenchmark/zoo."""
    return Path(os.environ.get(_VARIABLE) or _DEFAULT).expanduser()


def records_folder() -> Path:
    """Return the folder of the user's records, `records` in the folder of weights."""
    return zoo_folder() / "records"


def weights_path(name: str) -> Path:
    """Return the path of the weights of a searched model."""
    return zoo_folder() / f"{name}.safetensors"
