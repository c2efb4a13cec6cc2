"""How a network is trained, as data; published recipes by name.

Needs no PyTorch: searches state recipes that a service trains by, and servers check them.
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
"""Least and greatest value."""
_COUNTS: Final[Mapping[str, tuple[int, int]]] = {
    "epochs": (1, 10_000),
    "batch_size": (1, 1 << 16),
    "step_epochs": (1, 10_000),
    "warmup_epochs": (0, 10_000),
    "crop": (0, LARGEST_SIDE),
    "cutout": (0, LARGEST_SIDE),
}
"""Least and greatest value."""
_TRUTHS: Final = ("nesterov", "decay_all", "by_epoch", "flip")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a network is trained.

    Args:
        epochs: Passes over the training images.
        batch_size: Images of a step; what is left of an epoch after the last full batch waits for
            the next shuffle.
        optimizer: sgd, rmsprop, adam or adamw.
        lr: Greatest learning rate.
        momentum: Of sgd and rmsprop.
        nesterov: Nesterov's momentum, of sgd.
        beta: Decay of the mean of the gradients, of adam and adamw; that of their squares is 0.999.
        weight_decay: Added to the gradients; of adamw, taken from the weights.
        decay_all: Whether biases and the parameters of norms decay as well. What a network names
            in `no_weight_decay()` never does.
        schedule: Of the learning rate after the warm-up: `cosine` and `linear` end at `min_lr`,
            `step` multiplies by `step_factor` every `step_epochs`.
        min_lr: Where `cosine` and `linear` end.
        step_epochs: Of `step`.
        step_factor: Of `step`.
        by_epoch: Whether the learning rate changes once an epoch instead of at every step.
        warmup_epochs: The learning rate grows linearly to `lr` during these.
        label_smoothing: Share of the target spread over all classes.
        clip_norm: Greatest norm of all gradients; 0: any.
        drop_path: With which outputs of operations are dropped in the end; grows linearly from 0.
        auxiliary_weight: Weight of the loss of a second classifier, in networks that have one.
        precision: float32, float64, or mixed-bfloat16 or, on a GPU, mixed-float16, which keep
            weights in float32.
        ema: Decay of a moving average of the weights, which is then what is evaluated; 0: none.
        crop: Pixels of black around an image before it is cropped at random; 0: no crop.
        resized_crop: Least share of an image in a window that is cut out at random and resized to
            the size of the images; 0: none. The window is as torchvision draws it.
        flip: Mirror images at random.
        brightness: Multiply colours by a factor within 1 ± this; 0: not.
        contrast: Likewise, the difference to the mean of the image in grey.
        saturation: Likewise, the difference to the same image in grey.
        hue: Turn colours on the colour wheel by up to this share of it, either way. What of these
            four is done, is done in an order that is drawn.
        cutout: Side of a square that is blanked out at random; 0: none.

    Raises:
        InvalidArgumentError: A value cannot mean anything; the error names the argument.
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
                "warmup_epochs", f"{self.warmup_epochs} leave nothing of {self.epochs} epochs"
            )
        if self.nesterov and not (self.optimizer == "sgd" and self.momentum):
            raise InvalidArgumentError("nesterov", "it needs sgd with momentum")
        if self.crop and self.resized_crop:
            raise InvalidArgumentError("resized_crop", "there is a crop already; one of them is 0")

    @property
    def draws(self) -> bool:
        """Whether anything is done to training images at random."""
        colours = self.brightness or self.contrast or self.saturation or self.hue
        return bool(self.crop or self.resized_crop or self.flip or colours or self.cutout)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Recipe:
        """Return the recipe that a JSON object states; what it leaves out has the default.

        Raises:
            InvalidArgumentError: A field is unknown or cannot mean anything.
        """
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                raise InvalidArgumentError(
                    name, f"a recipe has no such field{nearest(name, known)}"
                )
        return cls(**values)

    def as_dict(self) -> dict[str, Any]:
        """Return every field by name, as JSON has it."""
        return asdict(self)


def recipe_names() -> tuple[str, ...]:
    """Return the names of the published recipes."""
    return tuple(_published())


def published_recipe(name: str, /, **changes: Any) -> Recipe:
    """Return a published recipe.

    Args:
        name: Its name, as `recipe_names` lists them; sources are in `recipes.json`.
        changes: Fields that are to be different, such as `epochs`.

    Raises:
        UnknownNameError: There is no such recipe; the message offers the nearest.
        InvalidArgumentError: A change is unknown or cannot mean anything.
    """
    if name not in _published():
        raise UnknownNameError("recipe", name, _published())
    return Recipe.from_dict({**_published()[name]["recipe"], **changes})


def recipe_of(stated: object) -> Recipe:
    """Return the recipe that JSON states: its fields, the name of a published one, or both.

    Args:
        stated: A name; or an object of fields, `name` among them where they change a published one.

    Raises:
        UnknownNameError: There is no such recipe; the message offers the nearest.
        InvalidArgumentError: It is neither, or a field is unknown or cannot mean anything.
    """
    if isinstance(stated, str):
        return published_recipe(stated)
    if not isinstance(stated, Mapping):
        raise InvalidArgumentError("recipe", f"a name or an object, not {shown(stated)}")
    fields = dict(stated)
    name = fields.pop("name", None)
    if name is None:
        return Recipe.from_dict(fields)
    # A name that is no text may not even be looked for.
    return published_recipe(name if isinstance(name, str) else shown(name), **fields)


@cache
def _published() -> dict[str, dict[str, Any]]:
    text = resources.files(__package__).joinpath("recipes.json").read_text(encoding="utf-8")
    found: dict[str, dict[str, Any]] = json.loads(text)
    return found
