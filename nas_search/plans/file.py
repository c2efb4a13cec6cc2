"""The plan file: an immutable description of a benchmark to be measured.

    plan = read_plan(Path("digits.toml"))
    plan.digest

A plan is written as TOML and sent as JSON with the same keys. The same code reads both, refuses
unknown keys with a suggestion, and gives the same canonical form, in which every default is filled
in. The canonical form is itself a plan file, whose canonical form is identical.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias, get_args

import model_hub
from benchmark_spec import RESERVED_NAMES, SpecError
from benchmark_spec.errors import shown
from benchmark_spec.published import PUBLISHED
from benchmark_spec.toml_table import TomlFile, TomlTable
from model_hub.errors import ModelHubError
from model_hub.model_space import ModelSpace, TokenSpace
from nas_search.plans.limits import read_daily, read_label, time_of_day
from nas_search.plans.protocol import read_recipe, read_trainer
from nas_search.recipe import Recipe
from nas_search.trainers import TrainerUse

__all__ = ["Plan", "PlanError", "plan_of", "read_plan"]

PlanError = SpecError
"""A plan is invalid; `path` has the keys that lead to the error."""

Kind: TypeAlias = Literal["all", "sample", "list"]
Order: TypeAlias = Literal["breadth", "depth"]
KeptWeights: TypeAlias = Literal["none", "all"]
Timing: TypeAlias = Literal["any", "alone"]

_NAME: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST_NAME: Final = 60
_LONGEST_TEXT: Final = 1_000
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_DATA: Final = re.compile(r"[\w.-]{1,128}", re.ASCII)
_MOST_LISTED: Final = 100_000
_MOST_SEEDS: Final = 1_000
_MOST_BUDGETS: Final = 100
_MOST_EPOCHS: Final = 10_000
_LARGEST_SEED: Final = 2**31 - 1
_LARGEST: Final = 2**53
_CURVES: Final = ("train_loss", "train_acc", "valid_loss", "valid_acc")
_RUNNING: Final = 10_000
_MOST_HOURS: Final = 1e7
_MOST_SECONDS: Final = 1e7


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A plan: the architectures, data and protocol of a benchmark to be measured.

    Attributes:
        name: Name of the table, used in URLs.
        title: Title of the table.
        licence: Licence of the table.
        citation: How to cite the table.
        space: Name of a space of `model_hub`.
        arguments: Arguments of the space.
        restrict: For some choices of the space, the remaining candidates.
        kind: Whether all architectures, a sample, or a list is selected.
        n: Size of a sample.
        sample_seed: Seed of a sample; a larger sample begins with the smaller one.
        listed: The architectures of a list: samples of the space, numbers or names.
        unique: Whether only one of each set of equivalent architectures is trained.
        data: Name of the data set on workers.
        sha256: Digest of the data set; None: all cells must use that of the first one.
        data_licence: Licence of the data set, without which no table is published.
        classes: Number of classes; None: not given.
        split: Numbers of images for training, for validation, and held out.
        split_seed: Seed of the split.
        epochs: The budgets, descending; each is a separate training.
        seeds: Seeds of initial weights, order of images and augmentation.
        recipe: The training recipe, whose number of epochs is ignored.
        trainer: The trainer in place of the built-in training loop; None: the loop.
        curve: The metrics of each epoch that the ledger stores.
        keep_weights: Which trained weights are kept.
        order: `breadth`: all architectures with one seed and the smallest budget come first.
        hours: Limit of worker hours, at which the plan is paused; None: no limit.
        cell_seconds: Limit of an attempt at a cell in seconds; None: the setting of the server.
        running: The most queued and running cells at a time; None: the limit of the server.
        label: Only workers with this label get its cells; None: all workers.
        timing: `alone`: cells of the first seed do not share their device, for valid times.
        daily: Minutes of the day (UTC) from and until which cells are started; None: always. If the
            second is smaller, the interval spans midnight.

    Raises:
        PlanError: The plan contradicts itself.
    """

    name: str
    title: str
    licence: str
    citation: str
    space: str
    arguments: Mapping[str, Any]
    restrict: Mapping[str, tuple[Any, ...]]
    kind: Kind
    n: int | None
    sample_seed: int
    listed: tuple[Any, ...]
    unique: bool
    data: str
    sha256: str | None
    data_licence: str | None
    classes: int | None
    split: tuple[int, int, int]
    split_seed: int
    epochs: tuple[int, ...]
    seeds: tuple[int, ...]
    recipe: Recipe
    trainer: TrainerUse | None
    curve: tuple[str, ...]
    keep_weights: KeptWeights
    order: Order
    hours: float | None
    cell_seconds: float | None
    running: int | None
    label: str | None
    timing: Timing
    daily: tuple[int, int] | None

    @cached_property
    def model_space(self) -> ModelSpace:
        """The space of the networks."""
        return model_hub.space(self.space, **self.arguments)

    @property
    def fractions(self) -> list[float]:
        """The fractions of each class for training and for validation."""
        train, valid, aside = self.split
        total = train + valid + aside
        return [train / total, valid / total]

    def recipe_for(self, epochs: int) -> Recipe:
        """Return the recipe of a budget, with a schedule for its number of epochs."""
        return replace(self.recipe, epochs=epochs)

    def content(self) -> dict[str, Any]:
        """Return the canonical form: the plan as JSON, with all defaults filled in."""
        recipe = {name: value for name, value in self.recipe.as_dict().items() if name != "epochs"}
        train, valid, test = self.split
        return {
            "name": self.name,
            "title": self.title,
            "licence": self.licence,
            "citation": self.citation,
            "order": self.order,
            "space": {
                "name": self.space,
                "arguments": _plain(self.arguments),
                "restrict": {label: list(left) for label, left in self.restrict.items()},
            },
            "select": {
                "kind": self.kind,
                **({"n": self.n, "seed": self.sample_seed} if self.kind == "sample" else {}),
                **({"archs": _plain(self.listed)} if self.kind == "list" else {}),
                "unique": self.unique,
            },
            "data": {
                "name": self.data,
                **({"sha256": self.sha256} if self.sha256 else {}),
                **({"licence": self.data_licence} if self.data_licence else {}),
                **({"classes": self.classes} if self.classes else {}),
                "split": {
                    "train": train,
                    "valid": valid,
                    "test": test,
                    "seed": self.split_seed,
                    "stratified": True,
                },
            },
            "protocol": {
                "epochs": list(self.epochs),
                "seeds": list(self.seeds),
                "recipe": recipe,
                **({} if self.trainer is None else {"trainer": self.trainer.as_dict()}),
                "curve": list(self.curve),
                "keep_weights": self.keep_weights,
            },
            "limits": {
                name: value
                for name, value in (
                    ("hours", self.hours),
                    ("cell_seconds", self.cell_seconds),
                    ("running", self.running),
                    ("label", self.label),
                    ("timing", None if self.timing == "any" else self.timing),
                    ("daily", None if self.daily is None else list(map(time_of_day, self.daily))),
                )
                if value is not None
            },
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical form."""
        return _digest_of(self.content())

    @cached_property
    def protocol_digest(self) -> str:
        """SHA-256 of how a network is trained and evaluated: recipe, trainer, data, split.

        It does not depend on the name of the table. With equal protocol digests, equal networks,
        seeds and budgets give equal jobs.
        """
        content = self.content()
        how = {key: content["protocol"].get(key) for key in ("recipe", "trainer")}
        stated = {key: value for key, value in how.items() if value is not None}
        return _digest_of({**stated, "data": content["data"]})

    def extended(
        self,
        name: str,
        *,
        seeds: Sequence[int] = (),
        epochs: Sequence[int] = (),
        n: int | None = None,
    ) -> Plan:
        """Return a plan with more seeds, budgets or architectures, which shares finished cells.

        Raises:
            PlanError: Some are in the plan already, or the new plan is invalid.
        """
        content = self.content()
        content["name"] = name
        content["protocol"]["seeds"] += list(seeds)
        content["protocol"]["epochs"] += list(epochs)
        if n is not None:
            content["select"]["n"] = n
        return plan_of(content)


def read_plan(path: Path) -> Plan:
    """Read a plan from a TOML file.

    Raises:
        PlanError: It is no TOML, or no valid plan; the message has the line.
        OSError: The file cannot be read.
    """
    return _read(TomlFile(path).root())


def plan_of(content: Mapping[str, Any]) -> Plan:
    """Make a plan from JSON with the keys of a plan file.

    Raises:
        PlanError: It is no valid plan; `path` has the keys that lead to the error.
    """
    return _read(TomlTable(_Sent(), (), content))


class _Sent:
    """The source of keys that came as JSON, which have no line numbers."""

    name = "the plan"

    def line_of(self, path: Sequence[str]) -> None:
        """Return None, as there are no lines."""


def _read(root: TomlTable) -> Plan:
    name = root.take("name", str)
    _check_name(root, name)
    title = _text(root, "title")
    space, select, data = root.table("space"), root.table("select"), root.table("data")
    protocol, limits = _protocol(root), root.table("limits")
    recipe, usual = read_recipe(protocol)
    plan = Plan(
        name=name,
        title=title,
        licence=_text(root, "licence"),
        citation=_text(root, "citation", f"{title:.800}: measured by the plan {name}, unpublished"),
        order=_one_of(root, "order", get_args(Order), "breadth"),
        **_space(space),
        **_selection(select),
        **_data(data),
        epochs=tuple(
            sorted(_numbers(protocol, "epochs", 1, _MOST_EPOCHS, _MOST_BUDGETS, usual))[::-1]
        ),
        seeds=_numbers(protocol, "seeds", 0, _LARGEST_SEED, _MOST_SEEDS, (0,)),
        recipe=recipe,
        trainer=read_trainer(protocol),
        curve=_curve(protocol),
        keep_weights=_one_of(protocol, "keep_weights", get_args(KeptWeights), "none"),
        hours=_positive(limits, "hours", _MOST_HOURS),
        cell_seconds=_positive(limits, "cell_seconds", _MOST_SECONDS),
        running=_count(limits, "running", 1, _RUNNING),
        label=read_label(limits),
        timing=_one_of(limits, "timing", get_args(Timing), "any"),
        daily=read_daily(limits),
    )
    for table in (root, space, select, data, protocol, limits):
        table.finish()
    _check_space(space, plan)
    for epochs in plan.epochs:
        _check_recipe(protocol, plan, epochs)
    return plan


def _protocol(root: TomlTable) -> TomlTable:
    """Return the table of the protocol, which may be given as the name of a published recipe."""
    stated = root.any("protocol")
    if isinstance(stated, str):
        return TomlTable(root.file, ("protocol",), {"recipe": stated})
    return root.table("protocol")


def _check_name(root: TomlTable, name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise root.error(
            f"{shown(name)} is no valid name: lowercase letters, digits and single hyphens, at "
            f"most {_LONGEST_NAME}",
            "name",
        )
    if name in RESERVED_NAMES or name in PUBLISHED:
        raise root.error(f"the name {name} is taken", "name")


def _space(table: TomlTable) -> dict[str, Any]:
    restrict = {}
    for label, left in table.take("restrict", dict, {}).items():
        if not isinstance(left, list) or not left:
            raise table.error(f"{label} = {shown(left)} is no list of candidates", "restrict")
        restrict[label] = tuple(left)
    return {
        "space": table.take("name", str),
        "arguments": MappingProxyType(table.take("arguments", dict, {})),
        "restrict": MappingProxyType(restrict),
    }


def _check_space(table: TomlTable, plan: Plan) -> None:
    try:
        space = plan.model_space
        space.check_bounds()
        choices = {choice.label: choice for choice in space.choices.choices}
    except ModelHubError as error:
        known = "name" if plan.space not in model_hub.space_names() else "arguments"
        raise table.error(str(error), known) from error
    if isinstance(space, TokenSpace):
        raise table.error(f"networks of {plan.space} read no images", "name")
    for label, left in plan.restrict.items():
        if label not in choices:
            raise table.error(
                f"{plan.space} has no choice {shown(label)}; it has {', '.join(choices)}",
                "restrict",
            )
        unknown = [value for value in left if value not in choices[label].candidates]
        if unknown or len(set(left)) < len(left):
            candidates = ", ".join(map(str, choices[label].candidates))
            raise table.error(
                f"{label} = {shown(list(left))}: candidates are {candidates}, each once", "restrict"
            )
    labels = {one.name for one in fields(space)} & {"num_labels"}
    if plan.classes and labels and space.num_labels != plan.classes:  # type: ignore[attr-defined]  # a field of this space
        raise table.error(
            f"num_labels is {space.num_labels} and the data set has {plan.classes} classes",  # type: ignore[attr-defined]  # as above
            "arguments",
        )


def _selection(table: TomlTable) -> dict[str, Any]:
    kind = _one_of(table, "kind", get_args(Kind), "all")
    n = _count(table, "n", 1, _LARGEST) if kind == "sample" else None
    if kind == "sample" and n is None:
        raise table.error("a sample needs its size `n`")
    listed = tuple(table.take("archs", list)) if kind == "list" else ()
    if kind == "list" and not 1 <= len(listed) <= _MOST_LISTED:
        raise table.error(f"a list has 1 to {_MOST_LISTED} members, not {len(listed)}", "archs")
    seed = _count(table, "seed", 0, _LARGEST_SEED) if kind == "sample" else None
    return {
        "kind": kind,
        "n": n,
        "sample_seed": seed or 0,
        "listed": listed,
        "unique": table.take("unique", bool, default=False),
    }


def _data(table: TomlTable) -> dict[str, Any]:
    name = table.take("name", str)
    if not _DATA.fullmatch(name):
        raise table.error(f"{shown(name)} is no name of a data set", "name")
    sha256 = table.find("sha256", str)
    if sha256 is not None and not _DIGEST.fullmatch(sha256):
        raise table.error(f"{shown(sha256)} is no SHA-256 in hexadecimal digits", "sha256")
    split = table.table("split")
    parts = tuple(
        _count(split, part, 0 if part == "test" else 1, _LARGEST)
        for part in ("train", "valid", "test")
    )
    for part, size in zip(("train", "valid"), parts, strict=False):
        if size is None:
            raise split.error(f"`{part}` is missing: the number of its images")
    if not split.take("stratified", bool, default=True):
        raise split.error("only stratified splits are supported", "stratified")
    seed = _count(split, "seed", 0, _LARGEST)
    split.finish()
    return {
        "data": name,
        "sha256": sha256,
        "data_licence": _text(table, "licence", "") or None,
        "classes": _count(table, "classes", 1, 1_000_000),
        "split": (parts[0], parts[1], parts[2] or 0),
        "split_seed": seed or 0,
    }


def _curve(table: TomlTable) -> tuple[str, ...]:
    found = table.texts("curve") if "curve" in table.keys else _CURVES
    table.any("curve")
    for name in found:
        if name not in _CURVES:
            raise table.error(f"no curve is called {shown(name)}; there are {', '.join(_CURVES)}")
    return tuple(name for name in _CURVES if name in found)


def _check_recipe(table: TomlTable, plan: Plan, epochs: int) -> None:
    try:
        plan.recipe_for(epochs)
    except ModelHubError as error:
        raise table.error(f"of {epochs} epochs: {error}", "epochs") from error


def _numbers(
    table: TomlTable,
    key: str,
    least: int,
    most: int,
    longest: int,
    default: tuple[int, ...] = (),
) -> tuple[int, ...]:
    found: list[Any] = table.find(key, list) or list(default)
    if not 1 <= len(found) <= longest:
        raise table.error(f"`{key}` is a list of 1 to {longest} whole numbers", key)
    for number in found:
        if type(number) is not int or not least <= number <= most:
            raise table.error(f"{shown(number)} is not a whole number of {least} to {most}", key)
    if len(set(found)) < len(found):
        raise table.error(f"{shown(found)} has a value twice", key)
    return tuple(found)


def _text(table: TomlTable, key: str, default: str | None = None) -> str:
    found = table.take(key, str, default)
    if len(found) > _LONGEST_TEXT or not found.isprintable():
        limit = f"at most {_LONGEST_TEXT:,} printable characters"
        raise table.error(f"{shown(found)} is not a text of {limit}", key)
    return found


def _count(table: TomlTable, key: str, least: int, most: int) -> int | None:
    found = table.find(key, int)
    if found is not None and not least <= found <= most:
        raise table.error(f"{shown(found)} is not in {least} to {most}", key)
    return found


def _positive(table: TomlTable, key: str, most: float) -> float | None:
    found = table.find(key, float)
    if found is not None and not 0 < found <= most:
        raise table.error(f"{shown(found)} is not above 0 and at most {most:g}", key)
    return found


def _one_of(table: TomlTable, key: str, known: tuple[Any, ...], default: str) -> Any:
    found = table.take(key, str, default)
    if found not in known:
        raise table.error(f"{shown(found)} is none of {', '.join(known)}", key)
    return found


def _plain(value: Any) -> Any:
    """Return a value with lists for tuples, and integers for whole floats."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _digest_of(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
