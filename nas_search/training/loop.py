"""The training loop: trains a network epoch by epoch, with checkpoints."""

from __future__ import annotations

import copy
import itertools
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

import torch
import torch.nn.functional as F  # noqa: N812 - the name everybody knows it by
from torch import Tensor, nn

from model_hub.arguments import a_count
from model_hub.errors import InvalidArgumentError
from nas_search.recipe import Recipe
from nas_search.training.checkpoint import Checkpoints, Saved, joined, part_of
from nas_search.training.data import ImageSet, order_of_epoch, training_batches
from nas_search.training.effort import Effort
from nas_search.training.measuring import check_finite, check_outputs, measured, peak_memory
from nas_search.training.optimizing import learning_rate, optimizer_of, restore, state_of
from nas_search.training.parallel import Group

__all__ = ["Epoch", "Trainer", "Training"]

Epoch = Mapping[str, float]
"""Metrics of an epoch: `epoch` (from 1), `lr`, `seconds`, `train_loss` and `train_accuracy`; on
validation images `loss`, `accuracy` and `top5`. Accuracies are in percent, losses in nats."""

_MIXED: Final[Mapping[str, torch.dtype]] = {
    "mixed-bfloat16": torch.bfloat16,
    "mixed-float16": torch.float16,
}
"""The autocast type of each mixed precision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """The results of a training.

    Attributes:
        curve: The metrics of each epoch; see `Epoch`.
        seconds: Wall-clock seconds of this call, without those of earlier attempts.
        peak_memory: Peak GPU memory in bytes; on a CPU, of the whole process since its start.
        processor_seconds: CPU seconds of all threads of this process, and of earlier attempts up
            to their last checkpoint.
        resumed: How often the training was resumed from a checkpoint.
        resumed_after: The epoch after which it was last resumed; None: never.
        stopped: Whether `report` stopped it early.
        final: Metrics at the end; None: those of the last epoch.
    """

    curve: tuple[Epoch, ...]
    seconds: float
    peak_memory: int
    processor_seconds: float = 0.0
    resumed: int = 0
    resumed_after: int | None = None
    stopped: bool = False
    final: Epoch | None = None

    @property
    def metrics(self) -> dict[str, float]:
        """The final metrics, with the number of epochs, the seconds and the peak memory."""
        figures = {**self.curve[-1], **(self.final or {})}
        figures.pop("lr", None)
        figures["epochs"] = figures.pop("epoch")
        return {**figures, "seconds": self.seconds, "peak_memory": float(self.peak_memory)}


class Trainer:
    """Trains a network on labelled images by a recipe.

    With equal arguments and an equal number of threads, the weights on a CPU are bitwise equal,
    even if the training was interrupted and resumed.

    Within `parallel`, all processes train with the same arguments and share each batch of the
    recipe. Norms use the statistics of their process's part in training, and those of the first
    process are kept. The first process saves and reports; all evaluate.

    Args:
        network: The network, trained in place from its present weights.
        train: The training images.
        recipe: The recipe.
        valid: Images on which the network is evaluated after each epoch; None: no evaluation.
        seed: Seed of the order of images and of all other random draws.
        device: The device, to which the network is moved.
        checkpoints: Checkpoints to resume from and to save to; None: none.
        save_epochs: Save every so many epochs, and always after the last one, also when `report`
            stops the training.
        save_steps: Save also every so many steps.

    Raises:
        InvalidArgumentError: There are fewer images than a batch has, a batch cannot be divided
            among the processes, the recipe has `drop_path` and the network does not support it, or
            the precision needs a GPU.
        OtherTrainingError: The checkpoints belong to another training.
    """

    def __init__(  # noqa: PLR0913 - the choices of a training
        self,
        network: nn.Module,
        train: ImageSet,
        recipe: Recipe,
        *,
        valid: ImageSet | None = None,
        seed: int = 0,
        device: torch.device | str = "cpu",
        checkpoints: Checkpoints | None = None,
        save_epochs: int = 1,
        save_steps: int | None = None,
    ) -> None:
        if len(train) < recipe.batch_size:
            raise InvalidArgumentError(
                "train", f"{len(train)} images are fewer than a batch of {recipe.batch_size}"
            )
        self._group = Group.present()
        if recipe.batch_size % self._group.size:
            raise InvalidArgumentError(
                "batch_size",
                f"{recipe.batch_size} images cannot be divided among {self._group.size} processes",
            )
        a_count("save_epochs", save_epochs)
        if save_steps is not None:
            a_count("save_steps", save_steps)
        if recipe.drop_path and not hasattr(network, "set_drop_path"):
            raise InvalidArgumentError(
                "drop_path", f"{type(network).__name__} has no paths to drop: the recipe needs 0"
            )
        self.recipe = recipe
        self.curve: list[Epoch] = []
        self._device = torch.device(device)
        scaled = recipe.precision == "mixed-float16"
        if scaled and self._device.type != "cuda":
            raise InvalidArgumentError(
                "precision",
                f"mixed-float16 needs a GPU, and {self._device} is none: "
                "use mixed-bfloat16 instead",
            )
        # Loss scaling, as small gradients would underflow to 0 in float16.
        self._scaler = torch.amp.GradScaler(self._device.type, enabled=scaled)
        self._dtype = torch.float64 if recipe.precision == "float64" else torch.float32
        self._network = network.to(device=self._device, dtype=self._dtype)
        # Listed once: a supernet has thousands of modules to traverse.
        self._parameters = list(self._network.parameters())
        self._averaged = copy.deepcopy(network) if recipe.ema else None
        self._optimizer = optimizer_of(network, recipe)
        self._train = train.on(self._device)
        self._valid = None if valid is None else valid.on(self._device)
        self._seed, self._checkpoints = seed, checkpoints
        self._save_epochs, self._save_steps = save_epochs, save_steps
        self._step, self._steps_per_epoch = 0, len(train) // recipe.batch_size
        self._meters = torch.zeros(2, dtype=torch.float64, device=self._device)
        self._generators: dict[str, Tensor] | None = None
        self._effort = Effort()
        saved = checkpoints.newest() if checkpoints else None
        if saved is not None:
            self._restore(saved)
        self._group.share(self._network.state_dict().values())

    @property
    def evaluated(self) -> nn.Module:
        """The network to evaluate: the trained one, or the one with averaged weights."""
        return self._network if self._averaged is None else self._averaged

    def run(
        self, *, epochs: int | None = None, report: Callable[[Epoch], object] | None = None
    ) -> Training:
        """Train up to a number of epochs in total and return the metrics of these.

        Args:
            epochs: Number of epochs; None: all of the recipe. The learning rate follows the whole
                recipe, so a later call continues the training as if without a pause.
            report: Takes the metrics of each epoch; if it returns True, the training stops.

        Raises:
            InvalidArgumentError: The recipe has fewer epochs.
            LabelError: The network has no output for a label.
            OutputError: The loss is not finite.
            OSError: A checkpoint cannot be saved; older ones are kept.
        """
        wanted = self.recipe.epochs
        if epochs is not None:
            wanted = a_count("epochs", epochs, most=self.recipe.epochs)
        begun, stopped = time.perf_counter(), False
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
        with self._effort.counting(), self._drawing():
            while len(self.curve) < wanted and not stopped:
                started = time.perf_counter()
                self._one_epoch()
                self._share_statistics()
                self.curve.append(self._figures(time.perf_counter() - started))
                self._meters.zero_()
                is_saved = len(self.curve) % self._save_epochs == 0 or len(self.curve) == wanted
                if is_saved:
                    self._save()
                reports = report is not None and not self._group.rank
                stopped = self._group.agreed(
                    answer=reports and report is not None and report(self.curve[-1]) is True,
                    device=self._device,
                )
                if stopped and not is_saved:
                    self._save()
        return Training(
            curve=tuple(self.curve[:wanted]),
            seconds=time.perf_counter() - begun,
            peak_memory=peak_memory(self._device),
            processor_seconds=self._effort.processor_seconds,
            resumed=self._effort.resumed,
            resumed_after=self._effort.resumed_after,
            stopped=stopped,
        )

    def evaluate(self, images: ImageSet) -> dict[str, float]:
        """Return `loss`, `accuracy` and `top5` of images, in evaluation mode.

        Raises:
            LabelError: The network has no output for a label.
            OutputError: The loss is not finite.
        """
        with self._casting():
            return measured(self.evaluated, images.on(self._device), self._dtype)

    def _one_epoch(self) -> None:
        epoch, recipe = len(self.curve), self.recipe
        done = self._step - epoch * self._steps_per_epoch
        if recipe.drop_path:
            self._network.set_drop_path(recipe.drop_path * epoch / recipe.epochs)  # type: ignore[operator]  # checked when made
        self._network.train()
        order = order_of_epoch(self._train, recipe.batch_size, self._seed, epoch)
        parts = map(self._group.part, order)
        steps = itertools.islice(enumerate(parts, epoch * self._steps_per_epoch), done, None)
        batches = training_batches(
            self._train, steps, recipe, self._seed, self._dtype, process=self._group.rank
        )
        for inputs, labels in batches:
            self._one_step(inputs, labels)
            if self._save_steps and not self._step % self._save_steps:
                self._save()

    def _one_step(self, inputs: Tensor, labels: Tensor) -> None:
        recipe = self.recipe
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate(recipe, self._step, self._steps_per_epoch)
        self._optimizer.zero_grad(set_to_none=True)
        loss, right = self._gradients(inputs, labels)
        self._group.average_gradients(self._parameters)
        if recipe.clip_norm:
            self._scaler.unscale_(self._optimizer)
            nn.utils.clip_grad_norm_(self._parameters, recipe.clip_norm)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._step += 1
        with torch.no_grad():
            self._average()
            self._meters += torch.stack((loss.detach().double() * len(labels), right))

    def _gradients(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the gradients of a batch; return its mean loss and number of correct answers."""
        recipe = self.recipe
        with self._casting():
            outputs = self._network(inputs)
            logits, *others = outputs if isinstance(outputs, tuple) else (outputs,)
            check_outputs(logits, self._train.most)
            loss = F.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
            total = loss
            for other in others:
                lost = F.cross_entropy(other, labels, label_smoothing=recipe.label_smoothing)
                total = total + recipe.auxiliary_weight * lost
        torch.autograd.backward(self._scaler.scale(total))
        return loss, (logits.detach().argmax(1) == labels).sum()

    def _average(self) -> None:
        if self._averaged is None:
            return
        now = self._network.state_dict()
        averages = dict(self._averaged.named_parameters())
        for name, held in self._averaged.state_dict().items():
            if name in averages:
                held.lerp_(now[name], 1 - self.recipe.ema)
            else:
                held.copy_(now[name])

    def _share_statistics(self) -> None:
        """Copy the first process's statistics of norms to all processes."""
        self._group.share(self._network.buffers())
        if self._averaged is not None:
            self._group.share(self._averaged.buffers())

    def _figures(self, seconds: float) -> Epoch:
        meters = self._group.total(self._meters)
        loss, right = (meters / (self._steps_per_epoch * self.recipe.batch_size)).tolist()
        check_finite(loss)
        return {
            "epoch": len(self.curve) + 1,
            "lr": learning_rate(self.recipe, self._step - 1, self._steps_per_epoch),
            "train_loss": loss,
            "train_accuracy": 100 * right,
            **({} if self._valid is None else self.evaluate(self._valid)),
            "seconds": seconds,
        }

    def _casting(self) -> AbstractContextManager[Any]:
        dtype = _MIXED.get(self.recipe.precision)
        return nullcontext() if dtype is None else torch.autocast(self._device.type, dtype=dtype)

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        """Seed or restore the generators of layers (dropout), and restore the caller's after it."""
        gpus = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(gpus):
            if self._generators is None:
                torch.manual_seed(self._seed)
            else:
                torch.set_rng_state(self._generators["cpu"])
                if gpus and "cuda" in self._generators:
                    torch.cuda.set_rng_state(self._generators["cuda"], self._device)
            try:
                yield
            finally:
                self._generators = self._drawn()

    def _drawn(self) -> dict[str, Tensor]:
        states = {"cpu": torch.get_rng_state()}
        if self._device.type == "cuda":
            states["cuda"] = torch.cuda.get_rng_state(self._device)
        return states

    def _save(self) -> None:
        if self._checkpoints is None:
            return
        meters = self._group.total(self._meters)
        self._share_statistics()
        if self._group.rank:
            return
        parts = {**self._parts(), "meters": {"sums": meters}}
        state = {"curve": list(map(dict, self.curve)), "effort": self._effort.state()}
        self._checkpoints.save(Saved(self._step, joined(parts), state))

    def _parts(self) -> dict[str, Mapping[str, Tensor]]:
        """Return the tensors of a checkpoint by part and name."""
        return {
            "network": self._network.state_dict(),
            "average": {} if self._averaged is None else self._averaged.state_dict(),
            "generator": self._drawn(),
            "meters": {"sums": self._meters},
            "scaler": {
                name: torch.tensor(value, dtype=torch.float64)
                for name, value in self._scaler.state_dict().items()
            },
            **state_of("optimizer", self._optimizer),
        }

    def _restore(self, saved: Saved) -> None:
        self._network.load_state_dict(part_of(saved.tensors, "network"))
        if self._averaged is not None:
            self._averaged.load_state_dict(part_of(saved.tensors, "average"))
        restore(self._optimizer, part_of(saved.tensors, "optimizer"))
        if self._scaler.is_enabled():
            state = part_of(saved.tensors, "scaler")
            kinds = {name: type(value) for name, value in self._scaler.state_dict().items()}
            self._scaler.load_state_dict({name: kinds[name](state[name].item()) for name in kinds})
        self._generators = part_of(saved.tensors, "generator")
        if not self._group.rank:  # the saved sums are totals over all processes
            self._meters.copy_(part_of(saved.tensors, "meters")["sums"])
        self._step, self.curve = saved.step, list(saved.state["curve"])
        self._effort = Effort(saved.state["effort"], after=len(self.curve))
