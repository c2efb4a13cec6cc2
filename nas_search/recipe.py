"""Training recipes as data, and published recipes by name.

This module does not import PyTorch, as clients and servers validate recipes without it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cache
from importlib import resources
from typing import Any, Final

from model_hub.arguments import a_count, a_number, one_of
from model_hub.data_sets import LARGEST_SIDE
from model_hub.errors import InvalidArgumentError, UnknownNameError, nearest, shown

__all__ = ["Recipe", "published_recipe", "recipe_names", "recipe_of"]

_OPTIMIZERS: Final = ("sgd", "rmsprop", "adam", "adamw")
_SCHEDULES: Final = ("cosine", "step", "linear", "constant")
_PRECISIONS: Final = ("float32", "float64", "mixed-bfloat16", "mixed-float16")
_NUMBERS: Final[Mapping[str, tuple[float, float]]] = {
    "lr": (1e-12, 1e3),
    "min_lr": (0, 1e3),
    "momentum": (0, 1),
    "beta": (0, 1),
    "weight_decay": (0, 1e3),
    "step_factor": (0, 1),
    "label_smoothing": (0, 1),
    "clip_norm": (0, 1e9),
    "drop_path": (0, 1),
    "auxiliary_weight": (0, 1e3),
    "ema": (0, 1),
    "resized_crop": (0, 1),
    "brightness": (0, 1),
    "contrast": (0, 1),
    "saturation": (0, 1),
    "hue": (0, 0.5),
}
"""The smallest and largest value of each number."""
_COUNTS: Final[Mapping[str, tuple[int, int]]] = {
    "epochs": (1, 10_000),
    "batch_size": (1, 1 << 16),
    "step_epochs": (1, 10_000),
    "warmup_epochs": (0, 10_000),
    "crop": (0, LARGEST_SIDE),
    "cutout": (0, LARGEST_SIDE),
}
"""The smallest and largest value of each integer."""
_TRUTHS: Final = ("nesterov", "decay_all", "by_epoch", "flip")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The hyperparameters of a training.

    Args:
        epochs: Passes over the training images.
        batch_size: Images per step. The images left over after the last full batch of an epoch are
            not used in that epoch.
        optimizer: sgd, rmsprop, adam or adamw.
        lr: The largest learning rate.
        momentum: Momentum of sgd and rmsprop.
        nesterov: Whether sgd uses Nesterov momentum.
        beta: Decay of the mean of gradients in adam and adamw; the decay of their squares is 0.999.
        weight_decay: L2 penalty added to the gradients; for adamw, decoupled from them.
        decay_all: Whether biases and the parameters of norms decay as well. Parameters that a
            network names in `no_weight_decay()` never do.
        schedule: The learning rate after the warm-up: `constant`; `cosine` and `linear` end at
            `min_lr`; `step` multiplies by `step_factor` every `step_epochs`.
        min_lr: Final learning rate of `cosine` and `linear`.
        step_epochs: Epochs between two steps of `step`.
        step_factor: Factor at each step of `step`.
        by_epoch: Whether the learning rate changes once per epoch instead of at every step.
        warmup_epochs: Epochs during which the learning rate grows linearly to `lr`.
        label_smoothing: Share of the target spread over all classes.
        clip_norm: Largest norm of all gradients together; 0: no clipping.
        drop_path: Final probability of dropping the output of an operation; grows linearly from 0.
        auxiliary_weight: Weight of the auxiliary classifier's loss, in networks that have one.
        precision: float32, float64, mixed-bfloat16 or, on a GPU, mixed-float16. The mixed ones keep
            weights in float32.
        ema: Decay of a moving average of the weights, with which networks are evaluated; 0: none.
        crop: Pixels of black padding around an image before a random crop; 0: no crop.
        resized_crop: Smallest share of the image area in a random window that is resized to the
            size of the images, drawn as by torchvision; 0: none.
        flip: Whether images are mirrored at random.
        brightness: Colours are multiplied by a random factor within 1 ± this; 0: none.
        contrast: The same for the difference to the mean grey value of the image.
        saturation: The same for the difference to the greyscale image.
        hue: Largest rotation of the colour wheel in either direction, as a share of it. The changes
            of brightness, contrast, saturation and hue are applied in random order.
        cutout: Side of a random square that is blanked out; 0: none.

    Raises:
        InvalidArgumentError: A value is invalid; the error names the argument.
    """

    epochs: int = 10
    batch_size: int = 128
    optimizer: str = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    nesterov: bool = False
    beta: float = 0.9
    weight_decay: float = 0.0
    decay_all: bool = True
    schedule: str = "cosine"
    min_lr: float = 0.0
    step_epochs: int = 30
    step_factor: float = 0.1
    by_epoch: bool = False
    warmup_epochs: int = 0
    label_smoothing: float = 0.0
    clip_norm: float = 0.0
    drop_path: float = 0.0
    auxiliary_weight: float = 0.4
    precision: str = "float32"
    ema: float = 0.0
    crop: int = 0
    resized_crop: float = 0.0
    flip: bool = False
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    hue: float = 0.0
    cutout: int = 0

    def __post_init__(self) -> None:
        one_of("optimizer", self.optimizer, _OPTIMIZERS)
        one_of("schedule", self.schedule, _SCHEDULES)
        one_of("precision", self.precision, _PRECISIONS)
        for name, (least, most) in _COUNTS.items():
            a_count(name, getattr(self, name), least=least, most=most)
        for name, (low, high) in _NUMBERS.items():
            number = a_number(name, getattr(self, name), least=low, most=high)
            object.__setattr__(self, name, number)
        for name in _TRUTHS:
            one_of(name, getattr(self, name), (True, False))
        if self.min_lr > self.lr:
            raise InvalidArgumentError("min_lr", f"{self.min_lr:g} is more than lr {self.lr:g}")
        if self.warmup_epochs >= self.epochs:
            raise InvalidArgumentError(
                "warmup_epochs", f"{self.warmup_epochs} leave none of the {self.epochs} epochs"
            )
        if self.nesterov and not (self.optimizer == "sgd" and self.momentum):
            raise InvalidArgumentError("nesterov", "it needs sgd with momentum")
        if self.crop and self.resized_crop:
            raise InvalidArgumentError("resized_crop", "either crop or resized_crop must be 0")

    @property
    def draws(self) -> bool:
        """Whether training images are augmented at random."""
        colours = self.brightness or self.contrast or self.saturation or self.hue
        return bool(self.crop or self.resized_crop or self.flip or colours or self.cutout)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Make a recipe from a JSON object; missing fields take their defaults.

        Raises:
            InvalidArgumentError: A field is unknown or invalid.
        """
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise InvalidArgumentError(
                    name, f"a recipe has no such field{nearest(name, known)}"
                )
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        """Return every field by name, as JSON."""
        return asdict(self)


def recipe_names() -> tuple[str, ...]:
    """Return the names of the published recipes."""
    return tuple(_published())


def published_recipe(name: str, /, **changes: Any) -> Recipe:
    """Return a published recipe, with some fields changed if wanted.

    Args:
        name: One of `recipe_names()`; the sources are in `recipes.json`.
        changes: Fields to change, such as `epochs`.

    Raises:
        UnknownNameError: The recipe is unknown; the message lists similar names.
        InvalidArgumentError: A changed field is unknown or invalid.
    """
    if name not in _published():
        raise UnknownNameError("recipe", name, _published())
    return Recipe.from_dict({**_published()[name]["recipe"], **changes})


def recipe_of(stated: object) -> Recipe:
    """Make a recipe from JSON: a published name, fields, or both.

    Args:
        stated: A name; or an object of fields, whose `name` selects a published recipe to change.

    Raises:
        UnknownNameError: The recipe is unknown; the message lists similar names.
        InvalidArgumentError: It is neither, or a field is unknown or invalid.
    """
    if isinstance(stated, str):
        return published_recipe(stated)
    if not isinstance(stated, Mapping):
        raise InvalidArgumentError("recipe", f"a name or an object, not {shown(stated)}")
    fields = dict(stated)
    name = fields.pop("name", None)
    if name is None:
        return Recipe.from_dict(fields)
    # A name that is no string may be unhashable, so it is made one before the look-up.
    return published_recipe(name if isinstance(name, str) else shown(name), **fields)


@cache
def _published() -> dict[str, dict[str, Any]]:
    text = resources.files(__package__).joinpath("recipes.json").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = json.loads(text)
    return found
