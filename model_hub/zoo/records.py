"""Records of searched models: what is known of each, as data.

A record says which space, arguments and architecture make the network, which files hold its
weights, and how its published accuracy was measured. The records of the hub are the JSON files in
`records` beside this module. A user's own lie in `records` in the folder of weights, which is
$NASBENCH_ZOO_DIR, else ~/.nasbenchmark/zoo. Both are of one form:

    {"defaults": {"space": "ProxylessNAS", …}, "models": {"proxyless-cpu": {…}, …}}

A field that a model does not state is taken from `defaults`; `arguments` are merged. Adding a model
is adding a record. Errors name the file, the model and the field.
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
"""How a file names its tensors: as the hub does, in ways of its own but in the hub's order, or as
the authors of a family do."""

T = TypeVar("T")

_VARIABLE: Final = "NASBENCH_ZOO_DIR"
_DEFAULT: Final = "~/.nasbenchmark/zoo"


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """An accuracy as it was published.

    Attributes:
        top1: Percent.
        top5: Percent, where it was published.
        source: Where.
    """

    top1: float
    top5: float | None = None
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightFile:
    """A file in which weights were published.

    Attributes:
        file: Its name.
        sha256: Its SHA-256 or the first digits of it, at least eight; None where none is known.
        url: Its address, where it has one.
        inside: The key under which its tensors lie; None if they are all there is.
        naming: How it names them, see `NAMINGS`.
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
        name: Its name.
        space: Its space, see `model_hub.space_names`.
        arguments: Arguments of the space that differ from its defaults.
        architecture: The sample.
        protocol: How its accuracy is measured.
        figures: Accuracies as they were published, the re-evaluated first.
        weights: The files in which its weights were published, in the order to try them.
        licence: Of the weights.
        origin: Whose they are and where from.
        residual: Whether single blocks add their input, where that does not follow from their
            widths: a narrower copy of a network may meet equal ones where the original had none.
        note: What else is to be known.
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
        """Return the record as a JSON object, as it may stand under `models` in a file."""
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
        parameters: How many.
        macs: Multiply-adds of an image of its protocol.
    """

    parameters: int
    macs: int


@cache
def counts() -> Mapping[str, Counts]:
    """Return the sizes of the hub's own models by name, as `profile` counts them, from a file.

    A server has no PyTorch to count with.
    """
    stated = json.loads(files("model_hub.zoo").joinpath("counts.json").read_text("utf-8"))
    return MappingProxyType({name: Counts(**values) for name, values in stated.items()})


def names() -> tuple[str, ...]:
    """Return the names of all searched models, sorted."""
    return tuple(all_records())


def record(name: str) -> Record:
    """Return what is known of a searched model.

    Raises:
        UnknownNameError: There is none of this name; the message offers the nearest.
        RecordError: A record of the user cannot be read.
    """
    return named("searched model", name, all_records())


def all_records() -> Mapping[str, Record]:
    """Return all searched models by name, sorted: the hub's, and the user's as they are now.

    Raises:
        RecordError: A record of the user cannot be read.
    """
    records = dict(_hub_records())
    for path in sorted(records_folder().glob("*.json")):
        for added in _read(path):
            if added.name in records:
                raise RecordError(f"{path}: there is a model {added.name!r} already")
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
        raise RecordError(f"{path} is no JSON: {error}") from error
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
    """Return the protocol of the hub that a record names, or the one it states."""
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
    """The fields of a JSON object, read one by one, with checks of their kinds.

    Args:
        values: The object.
        place: What it is, for messages.

    Raises:
        RecordError: It is no object. So do the methods where a field is missing or of another kind.
    """

    def __init__(self, values: Any, place: str) -> None:
        if not isinstance(values, dict):
            raise RecordError(f"{place}: {shown(values)} is not an object")
        self.place = place
        self._values = dict(values)
        self._taken: list[str] = []

    def text(self, name: str) -> str:
        """Take a text that must be there."""
        found: str = self._required(name, str, "text")
        return found

    def text_or_none(self, name: str) -> str | None:
        """Take a text that may be missing or null."""
        return self.text(name) if self._stated(name) else None

    def choice(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        """Take one of a few texts."""
        value = self._optional(name, str, "text", default)
        if value not in allowed:
            raise RecordError(
                f"{self.place}: {name} is {shown(value)}, not one of {', '.join(allowed)}"
            )
        return value

    def percentage(self, name: str) -> float:
        """Take a number from 0 to 100 that must be there."""
        value = self._required(name, int | float, "a number")
        if isinstance(value, bool) or not 0 <= value <= 100:  # noqa: PLR2004 - percent
            raise RecordError(f"{self.place}: {name} is {shown(value)}, not a percentage")
        return float(value)

    def percentage_or_none(self, name: str) -> float | None:
        """Take a number from 0 to 100 that may be missing or null."""
        return self.percentage(name) if self._stated(name) else None

    def mapping(self, name: str) -> Mapping[str, Any]:
        """Take an object; an empty one if it is missing."""
        return self._optional(name, dict, "an object", {})

    def objects(self, name: str) -> list[Fields]:
        """Take a list of objects; none if it is missing."""
        values: list[Any] = self._optional(name, list, "a list", [])
        return [Fields(value, f"{self.place}, {name} {n}") for n, value in enumerate(values)]

    def anything(self, name: str) -> Any:
        """Take a value of any kind that must be there."""
        return self._required(name, object, "anything")

    def finish(self) -> None:
        """Refuse fields that were not read.

        Raises:
            RecordError: There is one.
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
    """Return the folder of weights: $NASBENCH_ZOO_DIR, else ~/.nasbenchmark/zoo."""
    return Path(os.environ.get(_VARIABLE) or _DEFAULT).expanduser()


def records_folder() -> Path:
    """Return the folder of the user's own records, `records` in that of the weights."""
    return zoo_folder() / "records"


def weights_path(name: str) -> Path:
    """Return where the weights of a searched model belong."""
    return zoo_folder() / f"{name}.safetensors"
