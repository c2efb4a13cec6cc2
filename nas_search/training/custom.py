"""Training of a network by a function of another package, with checkpoints as in `Trainer`.

The function is called as

    def train(network, data, protocol, report):
        for epoch in range(protocol.done + 1, protocol.epochs + 1):
            for inputs, labels in data.batches(epoch):
                ...
            figures = {"train_loss": ..., "train_accuracy": ..., **data.measure(network)}
            if report(figures):
                break
        return figures

and trains the network in place. Metrics are numbers by name: `loss` and `train_loss` in nats and
`accuracy` and `train_accuracy` in percent are required, `top5` and `lr` are optional. The function
reports the metrics of each epoch and returns the final ones. A loss that is not finite means that
the training diverged; any other invalid metric is an error that names it.
"""

from __future__ import annotations

import math
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from numbers import Real
from types import MappingProxyType
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from model_hub.arguments import a_count
from model_hub.errors import ModelHubError, shown
from nas_search.errors import TrainerError
from nas_search.recipe import Recipe
from nas_search.trainers import NEEDED_FIGURES, OPTIONAL_FIGURES
from nas_search.training.checkpoint import Checkpoints, Saved, joined, part_of
from nas_search.training.data import ImageSet, order_of_epoch, training_batches
from nas_search.training.effort import Effort
from nas_search.training.loop import Epoch, Training
from nas_search.training.measuring import check_finite, measured, peak_memory

__all__ = ["CustomTrainer", "TrainerData", "TrainerFunction", "TrainerProtocol", "TrainerReport"]

_KNOWN: Final = (*NEEDED_FIGURES, *OPTIONAL_FIGURES)
_PERCENT: Final = frozenset({"train_accuracy", "accuracy", "top5"})
_MOST_SEED: Final = 2**32
"""Upper limit of seeds of NumPy's legacy generator."""


@dataclass(frozen=True, kw_only=True)
class TrainerData:
    """The images of a training, on its device.

    Attributes:
        train: The training images.
        valid: The validation images.
        recipe: The recipe, which sets the batch size and the augmentation.
        seed: Seed of the order of images and of their augmentation.
        dtype: The type of inputs.
    """

    train: ImageSet
    valid: ImageSet
    recipe: Recipe
    seed: int
    dtype: torch.dtype

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield inputs (batch, channels, height, width) and labels (batch,) of an epoch from 1.

        They depend only on the seed and the number of the epoch. The images left over after the
        last full batch are not used in the epoch.
        """
        size, before = self.recipe.batch_size, epoch - 1
        order = order_of_epoch(self.train, size, self.seed, before)
        steps = enumerate(order, before * (len(self.train) // size))
        yield from training_batches(self.train, steps, self.recipe, self.seed, self.dtype)

    def measure(self, network: nn.Module) -> dict[str, float]:
        """Return `loss`, `accuracy` and `top5` of the validation images, in evaluation mode.

        Raises:
            OutputError: The loss is not finite: the training has diverged.
            LabelError: The network has no output for a label.
        """
        return measured(network, self.valid, self.dtype)


@dataclass(frozen=True, kw_only=True)
class TrainerProtocol:
    """The settings of a training by a function.

    Attributes:
        epochs: Number of epochs to report, including the first `done`.
        seed: The seed, with which the generators of PyTorch, NumPy and `random` are initialised.
        recipe: The recipe; its `epochs` are those of the whole schedule. A trainer may ignore
            fields that it does not support.
        options: The options given for the trainer, without defaults.
        device: The device of the network and the images.
        done: Epochs that an earlier attempt has reported and saved.
        state: The tensors that it saved with `report(figures, state=…)`; empty if `done` is 0. The
            network's weights and the generators are restored as well.
    """

    epochs: int
    seed: int
    recipe: Recipe
    options: Mapping[str, str | int | float | bool]
    device: torch.device
    done: int = 0
    state: Mapping[str, Tensor] = field(default_factory=dict)


class TrainerReport(Protocol):
    """The function with which a trainer reports each epoch."""

    def __call__(
        self, figures: Mapping[str, Any], *, state: Mapping[str, Tensor] | None = None
    ) -> bool:
        """Report the metrics of the next epoch, and return whether the training should stop.

        Args:
            figures: Metrics by name.
            state: Tensors by name that another attempt needs to resume, besides the network's
                weights; None: nothing is saved after this epoch.

        Raises:
            OutputError: A loss is not finite: the training has diverged.
            TrainerError: A metric is missing, unknown, or no number.
        """


TrainerFunction: TypeAlias = Callable[
    [nn.Module, TrainerData, TrainerProtocol, TrainerReport], Mapping[str, Any]
]


class _EndedError(BaseException):
    """Ends a function that ignores a stop; a BaseException, as the function may catch Exception."""


class CustomTrainer:
    """Trains a network by a function, with the interface of `Trainer`.

    Args:
        function: The function; see the documentation of this module for its arguments.
        network: The network, trained in place from its present weights.
        train: The training images.
        recipe: The recipe; the function may ignore fields that it does not support.
        valid: The validation images.
        name: The name of the trainer, for messages.
        options: Options passed to the function.
        seed: Seed of the order of images and of all other random draws.
        device: The device, to which the network is moved.
        checkpoints: Checkpoints to resume from and to save to; None: none.
        save_epochs: Save every so many epochs, if the function reports a state.

    Raises:
        OtherTrainingError: The checkpoints belong to another training.
    """

    def __init__(  # noqa: PLR0913 - the choices of a training
        self,
        function: TrainerFunction,
        network: nn.Module,
        train: ImageSet,
        recipe: Recipe,
        *,
        valid: ImageSet,
        name: str = "trainer",
        options: Mapping[str, str | int | float | bool] | None = None,
        seed: int = 0,
        device: torch.device | str = "cpu",
        checkpoints: Checkpoints | None = None,
        save_epochs: int = 1,
    ) -> None:
        dtype = torch.float64 if recipe.precision == "float64" else torch.float32
        self.recipe = recipe
        self.name = name
        self.curve: list[Epoch] = []
        self._function = function
        self._options = dict(options or {})
        self._device = torch.device(device)
        self._network = network.to(device=self._device, dtype=dtype)
        self._data = TrainerData(
            train=train.on(self._device),
            valid=valid.on(self._device),
            recipe=recipe,
            seed=seed,
            dtype=dtype,
        )
        self._seed, self._checkpoints = seed, checkpoints
        self._save_epochs = a_count("save_epochs", save_epochs)
        self._saved = checkpoints.newest() if checkpoints else None
        self._effort = Effort()
        if self._saved is not None:
            self._network.load_state_dict(part_of(self._saved.tensors, "network"))
            self.curve = list(self._saved.state["curve"])
            self._effort = Effort(self._saved.state["effort"], after=len(self.curve))

    @property
    def evaluated(self) -> nn.Module:
        """The network to evaluate, which is the trained one."""
        return self._network

    def run(
        self, *, epochs: int | None = None, report: Callable[[Epoch], object] | None = None
    ) -> Training:
        """Train the network and return the results.

        Args:
            epochs: Number of epochs; None: all of the recipe.
            report: Takes the metrics of each epoch; if it returns True, the training stops.

        Raises:
            OutputError: A loss is not finite.
            TrainerError: The function raised an error, or reports or returns invalid metrics.
                OSError, MemoryError and RuntimeError (which PyTorch raises when memory is
                exhausted) pass unchanged, as the machine may have caused them.
            OSError: A checkpoint cannot be saved; older ones are kept.
        """
        wanted = a_count("epochs", epochs or self.recipe.epochs, most=self.recipe.epochs)
        reported = _Reported(self, wanted, report)
        protocol = TrainerProtocol(
            epochs=wanted,
            seed=self._seed,
            recipe=self.recipe,
            options=MappingProxyType(self._options),
            device=self._device,
            done=len(self.curve),
            state=MappingProxyType(self._kept_state()),
        )
        begun = time.perf_counter()
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        with self._effort.counting(), self._drawing():
            final = self._called(protocol, reported)
        return Training(
            curve=tuple(self.curve),
            seconds=time.perf_counter() - begun,
            peak_memory=peak_memory(self._device),
            processor_seconds=self._effort.processor_seconds,
            resumed=self._effort.resumed,
            resumed_after=self._effort.resumed_after,
            stopped=reported.stopped,
            final=final,
        )

    def evaluate(self, images: ImageSet) -> dict[str, float]:
        """Return `loss`, `accuracy` and `top5` of images, in evaluation mode.

        Raises:
            LabelError: The network has no output for a label.
            OutputError: The loss is not finite.
        """
        return measured(self._network, images.on(self._device), self._data.dtype)

    def figures(self, told: object, place: str) -> dict[str, float]:
        """Check metrics and return them as numbers.

        Args:
            told: The metrics as the function reports or returns them.
            place: Where they come from, for messages.

        Raises:
            OutputError: A loss is not finite.
            TrainerError: A metric is invalid; the message names it.
        """
        at = f"the trainer {self.name}, {place}:"
        if not isinstance(told, Mapping):
            raise TrainerError(f"{at} {shown(told)} are no metrics by name")
        for name in told:
            if name not in _KNOWN:
                raise TrainerError(
                    f"{at} there is no metric {shown(name)}; known are {', '.join(_KNOWN)}"
                )
        for name in NEEDED_FIGURES:
            if name not in told:
                raise TrainerError(f"{at} `{name}` is missing")
        found = {name: self._number(at, name, told[name]) for name in _KNOWN if name in told}
        for name in ("train_loss", "loss"):
            check_finite(found[name])
        return found

    def save(self, state: object, place: str) -> None:
        """Save a checkpoint with which another attempt can resume.

        Raises:
            TrainerError: The state is not a mapping of tensors that can be saved.
            OSError: The checkpoint cannot be written.
        """
        at = f"the trainer {self.name}, {place}:"
        if not isinstance(state, Mapping) or not all(
            isinstance(name, str) and isinstance(value, Tensor) for name, value in state.items()
        ):
            raise TrainerError(f"{at} `state` is no mapping of tensors by name")
        for name, value in state.items():
            if not name.isprintable() or not _can_be_saved(value):
                raise TrainerError(
                    f"{at} `state` has {shown(name)}, which is no dense tensor by a printable name"
                )
        if self._checkpoints is None:
            return
        kind, keys, *rest = np.random.get_state()  # noqa: NPY002 - the function may use it
        version, words, gauss = random.getstate()
        generators = {
            "torch": torch.get_rng_state(),
            "numpy": torch.from_numpy(np.asarray(keys).astype(np.int64)),
            "python": torch.tensor(words, dtype=torch.int64),
        }
        if self._device.type == "cuda":
            generators["cuda"] = torch.cuda.get_rng_state(self._device)
        parts = {
            "network": self._network.state_dict(),
            "generator": generators,
            "state": state,
        }
        told = {
            "curve": list(map(dict, self.curve)),
            "effort": self._effort.state(),
            "numpy": [str(kind), *rest],
            "python": [version, gauss],
        }
        self._checkpoints.save(Saved(len(self.curve), joined(parts), told))

    def is_due(self) -> bool:
        """Return whether to save after this epoch."""
        return len(self.curve) % self._save_epochs == 0

    def _number(self, at: str, name: str, value: object) -> float:
        if isinstance(value, Tensor) and value.dim() == 0:
            value = value.item()
        if isinstance(value, bool) or not isinstance(value, Real):
            raise TrainerError(f"{at} `{name}` is no number but {_shape_of(value)}")
        try:
            number = float(value)
        except OverflowError:
            raise TrainerError(f"{at} `{name}` is larger than any float") from None
        if name in _PERCENT and not 0 <= number <= 100:  # noqa: PLR2004 - percent
            raise TrainerError(f"{at} `{name}` of {number} is no percentage")
        if name == "lr" and not (math.isfinite(number) and number >= 0):
            raise TrainerError(f"{at} `lr` of {number} is no learning rate")
        return number

    def _called(self, protocol: TrainerProtocol, reported: _Reported) -> dict[str, float]:
        """Call the function and return its final metrics; empty if it was stopped."""
        process = os.getpid()
        try:
            found = self._function(self._network, self._data, protocol, reported)
        except _EndedError:
            return {}
        except (ModelHubError, TrainerError, OSError, MemoryError, RuntimeError):
            raise
        except Exception as error:  # a trainer may raise anything
            raise TrainerError(
                f"the trainer {self.name} raised {type(error).__name__:.80} in epoch "
                f"{len(self.curve) + 1}"
            ) from error
        finally:
            if os.getpid() != process:
                # A process that the function forked must not continue the caller's code.
                os._exit(1)
        if reported.stopped:
            return {}
        if len(self.curve) < protocol.epochs:
            raise TrainerError(
                f"the trainer {self.name} reported {len(self.curve)} of {protocol.epochs} epochs"
            )
        return self.figures(found, "its return value")

    def _kept_state(self) -> dict[str, Tensor]:
        if self._saved is None:
            return {}
        return {
            name: tensor.to(self._device)
            for name, tensor in part_of(self._saved.tensors, "state").items()
        }

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        """Seed or restore all generators inside the context, and restore the caller's after it."""
        gpus = [self._device] if self._device.type == "cuda" else []
        others = random.getstate(), np.random.get_state()  # noqa: NPY002 - as above
        with torch.random.fork_rng(gpus):
            if self._saved is None:
                torch.manual_seed(self._seed)
                random.seed(self._seed)
                np.random.seed(self._seed % _MOST_SEED)  # noqa: NPY002 - as above
            else:
                self._restore_generators(self._saved)
            try:
                yield
            finally:
                random.setstate(others[0])
                np.random.set_state(others[1])  # noqa: NPY002 - as above

    def _restore_generators(self, saved: Saved) -> None:
        generators = part_of(saved.tensors, "generator")
        torch.set_rng_state(generators["torch"])
        if "cuda" in generators and self._device.type == "cuda":
            torch.cuda.set_rng_state(generators["cuda"], self._device)
        kind, *rest = saved.state["numpy"]
        keys = generators["numpy"].numpy().astype(np.uint32)
        np.random.set_state((kind, keys, *rest))  # noqa: NPY002 - as above
        version, gauss = saved.state["python"]
        random.setstate((version, tuple(generators["python"].tolist()), gauss))


class _Reported:
    """The `report` argument of the function.

    Attributes:
        stopped: Whether the function was told to stop.
    """

    def __init__(
        self, trainer: CustomTrainer, epochs: int, tell: Callable[[Epoch], object] | None
    ) -> None:
        self._trainer = trainer
        self._epochs = epochs
        self._tell = tell
        self._process = os.getpid()
        self._begun = time.perf_counter()
        self.stopped = False

    def __call__(
        self, figures: Mapping[str, Any], *, state: Mapping[str, Tensor] | None = None
    ) -> bool:
        if os.getpid() != self._process:
            os._exit(1)
        if self.stopped:
            raise _EndedError
        trainer, epoch = self._trainer, len(self._trainer.curve) + 1
        place = f"epoch {epoch}"
        if epoch > self._epochs:
            raise TrainerError(
                f"the trainer {trainer.name} reports more than {self._epochs} epochs"
            )
        found = trainer.figures(figures, place)
        now = time.perf_counter()
        trainer.curve.append({"epoch": epoch, **found, "seconds": now - self._begun})
        self._begun = now
        last = epoch == self._epochs
        is_saved = state is not None and not last and trainer.is_due()
        if state is not None and is_saved:
            trainer.save(state, place)
        self.stopped = self._tell is not None and self._tell(trainer.curve[-1]) is True
        if self.stopped and state is not None and not last and not is_saved:
            trainer.save(state, place)
        return self.stopped


def _can_be_saved(tensor: Tensor) -> bool:
    """Return whether a tensor is dense, has data, and has a type that safetensors supports."""
    return tensor.layout is torch.strided and not (tensor.is_meta or tensor.is_quantized)


def _shape_of(value: object) -> str:
    shape = getattr(value, "shape", None)
    return shown(value) if shape is None else f"of shape {shown(tuple(shape))}"
