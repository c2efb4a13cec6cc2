"""Supernets described by a TOML file: their training and their search.

[problem]
space = "ProxylessNAS"
arguments = { num_labels = 100 }
dataset = "cifar-100-python"
bounds = { macs = [0, 100e6] }
[supernet]
sampler = { name = "FairPaths", unequal = "cycle" }
recipe = { epochs = 120, lr = 0.045, weight_decay = 4e-5 }
[strategy]
name = "ParentEvolution"
[budget]
trials = 1200
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, Final

import safetensors.torch

from model_hub.zoo.checkpoints import read_safetensors
from nas_search.errors import ProblemError
from nas_search.oneshot.inherited import Inherited
from nas_search.oneshot.recalibration import BATCH_SIZE, recalibrate
from nas_search.oneshot.registry import OneShot
from nas_search.oneshot.supernet import Supernet
from nas_search.oneshot.training import Halves
from nas_search.problems import SpaceProblem
from nas_search.problems.goals import check_known
from nas_search.recipe import recipe_of
from nas_search.specification import Specification
from nas_search.specification.keys import check_keys, read_toml
from nas_search.specification.networks import stated_images, stated_seed, stated_space
from nas_search.training.loop import Epoch

__all__ = ["WrittenSupernet", "extracted"]

_KEYS: Final = (
    *("sampler", "relaxation", "recipe", "arch_recipe", "costs", "loss", "batches"),
    *("batch_size", "momentum", "weights"),
)
_PARTS: Final = ("sampler", "relaxation", "arch_recipe", "costs", "loss")
"""The keys that `OneShot.stated` reads."""
_TRAINED: Final = (*_PARTS, "recipe")
"""The keys that describe the training of a supernet."""
_UNSEARCHED: Final = {"strategy": {"name": "RandomSearch"}, "budget": {"trials": 1}}
"""Defaults for the tables that a file of a supernet may leave out."""


@dataclass(frozen=True)
class WrittenSupernet:
    """A supernet as described by a TOML file.

    Args:
        path: The file. `NAME.supernet` next to it is the folder of checkpoints.
        problem: The table [problem] of the file.
        supernet: The table [supernet] of the file: `sampler` or `relaxation`, each a name or a
            table of `name` and arguments; `recipe`, `arch_recipe`; `costs`, a table of arguments of
            `CostTable.of`; `loss`, a name and arguments; `weights`, a file of a trained supernet,
            in place of its training; `batches`, `batch_size` and `momentum` of `Inherited`.
        search: The strategy and the budget of the file.
    """

    path: FilePath
    problem: Mapping[str, Any]
    supernet: Mapping[str, Any]
    search: Specification
    _data: list[Halves] = field(default_factory=list, repr=False)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> WrittenSupernet:
        """Read a TOML file.

        Raises:
            ProblemError: It is no TOML, or a name in it is unknown or missing; the message has the
                line and similar names.
            OSError: The file cannot be read.
        """
        file = FilePath(path)
        content, lines = read_toml(file)
        stated = content.pop("supernet", None)
        if not isinstance(stated, dict):
            raise ProblemError(f"{file} has no table [supernet]")
        searched = {**_UNSEARCHED, **content}
        check_keys(searched, lines)
        if "stop" in content:
            raise ProblemError(f"{file}: inherited weights are not trained: leave [stop] out")
        if "space" not in searched["problem"]:
            raise ProblemError(f"{file}: a supernet needs a space, and [problem] has none")
        for name in stated:
            try:
                check_known("argument of a supernet", [name], _KEYS)
            except ProblemError as error:
                raise ProblemError(f"{lines.place('supernet', name)}{error}") from None
        if "sampler" in stated and "relaxation" in stated:
            raise ProblemError(f"{file}: a supernet has a sampler or a relaxation, not both")
        if "weights" in stated and not stated.keys().isdisjoint(_TRAINED):
            raise ProblemError(f"{file}: a supernet has weights or is trained, not both")
        folder = file.absolute().parent
        search = Specification(
            searched["problem"], searched["strategy"], searched["budget"], folder
        )
        return cls(file, searched["problem"], stated, search)

    @property
    def checkpoint(self) -> FilePath:
        """The folder of checkpoints."""
        return self.path.with_suffix(".supernet")

    def train(
        self, report: Callable[[Epoch], object] | None = None
    ) -> tuple[Supernet, dict[str, Any] | None]:
        """Train the supernet, or resume; return it with the sample found by the training, if any.

        If the file has `weights`, they are loaded and nothing is trained.

        Raises:
            ProblemError: An argument is missing or unknown.
            ModelHubError: A space, recipe, argument, data set or file of weights is invalid.
            OtherTrainingError: The file has changed since the checkpoints were begun.
        """
        stated = self.supernet
        supernet = Supernet(stated_space(self.problem), seed=stated_seed(self.problem))
        if "weights" in stated:
            _load(supernet, self.search.folder, stated["weights"])
            supernet.to(self.problem.get("device", "cpu"))
            return supernet, None
        data = self.data()
        parts = {name: value for name, value in stated.items() if name in _PARTS}
        one_shot = OneShot.stated(parts, supernet.space, input_shape=data[0].shape)
        trainer = one_shot.trainer(
            supernet,
            data,
            recipe_of(stated.get("recipe", {})),
            seed=stated_seed(self.problem),
            checkpoint=self.checkpoint,
            device=self.problem.get("device", "cpu"),
        )
        trainer.run(report=report)
        found = trainer.found()
        return supernet, None if found is None else found.sample

    def make_problem(self, supernet: Supernet) -> SpaceProblem:
        """Return the problem of searching the space with the supernet's weights.

        Raises:
            ProblemError: An objective or a bound is invalid.
            InvalidArgumentError: An argument of the evaluator is invalid.
        """
        options = {
            name: self.supernet[name]
            for name in ("batches", "batch_size", "momentum")
            if name in self.supernet
        }
        return SpaceProblem(
            supernet.space,
            Inherited(supernet, self.data(), seed=stated_seed(self.problem), **options),
            objectives=self.problem.get("objectives", ["accuracy"]),
            bounds=self.search.written["problem"]["bounds"],
        )

    def data(self) -> Halves:
        """Return images for weights and images for architectures, which are read once.

        Raises:
            ProblemError: The file names no data set.
            DatasetError: The data set is invalid.
        """
        if not self._data:
            self._data.append(stated_images(self.problem, self.search.folder))
        return self._data[0]


def extracted(written: WrittenSupernet, sample: str, out: str | os.PathLike[str]) -> None:
    """Write a network with inherited weights and recalibrated norms to a file.

    Args:
        written: The supernet, which is trained first if necessary.
        sample: The sample, as JSON.
        out: A safetensors file, whose metadata contain `space`, `arguments` and `sample`.

    Raises:
        InvalidSampleError: The sample is not in the space.
        OSError: The file cannot be written.
    """
    supernet, _ = written.train()
    space, (train, _) = supernet.space, written.data()
    values = space.choices.from_json(sample)
    network = supernet.extract(values)
    batch_size = min(BATCH_SIZE, len(train))
    recalibrate(network, train, batch_size=batch_size, seed=stated_seed(written.problem))
    metadata = {
        "space": type(space).__name__,
        "arguments": json.dumps(space.arguments),
        "sample": json.dumps(values),
    }
    state = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    FilePath(out).write_bytes(safetensors.torch.save(state, metadata))


def _load(supernet: Supernet, folder: FilePath, name: Any) -> None:
    """Load the weights of a file, as written by a training job, into a supernet.

    Raises:
        ProblemError: There is no such file, or it belongs to another space.
        CheckpointError: The file is damaged.
    """
    if not isinstance(name, str) or not (folder / name).is_file():
        raise ProblemError(f"weights must be a safetensors file, and {name!r:.80} is none")
    tensors, metadata = read_safetensors(folder / name)
    space = supernet.space
    here = (type(space).__name__, json.loads(json.dumps(space.arguments)))
    try:
        there = (metadata["space"], json.loads(metadata["arguments"]))
    except (KeyError, ValueError) as error:
        raise ProblemError(f"{name} does not name its space") from error
    if there != here:
        raise ProblemError(
            f"{name} has the weights of another supernet: {there!r:.300}, not {here!r:.300}"
        )
    try:
        supernet.load_state_dict(tensors)
    except RuntimeError as error:
        raise ProblemError(f"{name} does not have the weights of this supernet: {error}") from error
