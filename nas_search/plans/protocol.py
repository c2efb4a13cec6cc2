"""The protocol of a plan: its keys in the plan file, and the recipe made from them.

`recipe` is the name of a published recipe or a table of its fields; the other keys change it. They
are the fields of `nas_search.recipe.Recipe`, grouped into `optimizer`, `schedule` and `augment`, a
list of names with arguments such as `crop:pad=1`. `trainer` names a function of another package
that replaces the built-in training loop.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final

from benchmark_spec.errors import shown
from benchmark_spec.toml_table import TomlTable
from model_hub.errors import InvalidArgumentError, ModelHubError
from nas_search.recipe import Recipe, published_recipe, recipe_of
from nas_search.trainers import TrainerUse

__all__ = ["read_recipe", "read_trainer"]

_OPTIMIZER: Final[Mapping[str, str]] = MappingProxyType(
    {"name": "optimizer"}
    | {name: name for name in ("lr", "momentum", "nesterov", "beta", "weight_decay", "decay_all")}
    | {name: name for name in ("clip_norm", "ema")}
)
_SCHEDULE: Final[Mapping[str, str]] = MappingProxyType(
    {"name": "schedule"}
    | {name: name for name in ("min_lr", "warmup_epochs", "step_epochs", "step_factor", "by_epoch")}
)
"""The recipe field of each key of the tables `optimizer` and `schedule`."""

_AUGMENTS: Final[Mapping[str, str | None]] = MappingProxyType(
    {
        "crop": "pad",
        "resized_crop": "least",
        "flip": None,
        **dict.fromkeys(("brightness", "contrast", "saturation", "hue"), "by"),
        "cutout": "side",
    }
)
"""The argument of each augmentation, or None; the names are those of recipe fields."""

_OWN: Final = ("batch_size", "precision", "label_smoothing", "drop_path", "auxiliary_weight")
"""Recipe fields that are keys of the protocol table itself."""


def read_recipe(table: TomlTable) -> tuple[Recipe, tuple[int, ...]]:
    """Take the keys of a recipe from the protocol table and return the recipe.

    The recipe's number of epochs is a placeholder, as a plan has budgets. The second value has the
    epochs of the published recipe, if one is named.

    Raises:
        SpecError: A key or a value is invalid.
    """
    stated = table.any("recipe")
    if stated is not None and not isinstance(stated, str | dict):
        raise table.error(f"{shown(stated)} is neither the name of a recipe nor a table", "recipe")
    named = {} if stated is None else {"name": stated} if isinstance(stated, str) else dict(stated)
    if not isinstance(named.get("name", ""), str):
        raise table.error(f"{shown(named['name'])} is no name of a recipe", "recipe")
    if "epochs" in named:
        raise table.error("leave out epochs: a plan has budgets", "recipe")
    changes = _changes(table)
    # The longest budget, so that any warm-up passes; warm-ups are checked for each budget later.
    wanted = {**named, **changes, "epochs": 10_000}
    try:
        usual = (published_recipe(named["name"]).epochs,) if "name" in named else ()
        return recipe_of(wanted), usual
    except InvalidArgumentError as error:
        key = _key_of(error.argument)
        raise table.error(str(error), key if key in table.keys else None) from error
    except ModelHubError as error:
        raise table.error(str(error), "recipe") from error


def read_trainer(table: TomlTable) -> TrainerUse | None:
    """Take the trainer from the protocol table and return it; None: there is none.

    Raises:
        SpecError: A key or a value is invalid.
    """
    if table.any("trainer") is None:
        return None
    inside = table.table("trainer")
    try:
        return TrainerUse.from_dict({key: inside.any(key) for key in inside.keys})
    except InvalidArgumentError as error:
        raise inside.error(str(error), error.argument) from error


def _changes(table: TomlTable) -> dict[str, Any]:
    """Take the keys that change a recipe, and return the changed fields."""
    changes: dict[str, Any] = {}
    for key, known in (("optimizer", _OPTIMIZER), ("schedule", _SCHEDULE)):
        inside = table.table(key)
        for name, field in known.items():
            if (value := inside.any(name)) is not None:
                changes[field] = value
        inside.finish()
    for name in _OWN:
        if (value := table.any(name)) is not None:
            changes[name] = value
    for text in table.texts("augment"):
        changes |= _augment(table, text)
    return changes


def _augment(table: TomlTable, text: str) -> dict[str, Any]:
    name, separator, told = text.partition(":")
    if name not in _AUGMENTS:
        near = get_close_matches(name, _AUGMENTS, n=1) or list(_AUGMENTS)
        raise table.error(
            f"unknown augmentation {shown(name)}: is it {', '.join(near)}?", "augment"
        )
    argument = _AUGMENTS[name]
    if argument is None:
        if separator:
            raise table.error(f"{shown(text)}: {name} has no argument", "augment")
        return {name: True}
    key, _, value = told.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if key != argument or number < 0:
        raise table.error(f"{shown(text)}: write {name}:{argument}=NUMBER", "augment")
    return {name: int(number) if number.is_integer() else number}


def _key_of(field: str) -> str:
    if field in _OPTIMIZER.values():
        return "optimizer"
    if field in _SCHEDULE.values():
        return "schedule"
    if field in _OWN or field not in {one.name for one in fields(Recipe)}:
        return field
    return "augment"
