"""Supernets written down: a TOML file says how one is trained, and how it is searched.

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

from model_hub.errors import InvalidArgumentError
from model_hub.zoo.checkpoints import read_safetensors
from nas_search.errors import ProblemError
from nas_search.oneshot.costs import CostTable
from nas_search.oneshot.gates import BinaryGates, Reinforced
from nas_search.oneshot.inherited import Inherited
from nas_search.oneshot.losses import Hinge, Linear, LogPower, LogProduct, LogRuntime, Square
from nas_search.oneshot.recalibration import BATCH_SIZE, recalibrate
from nas_search.oneshot.relaxations import Gumbel, GumbelHard, Softmax
from nas_search.oneshot.samplers import BinnedPaths, FairPaths, SandwichPaths, UniformPaths
from nas_search.oneshot.searching import search_supernet
from nas_search.oneshot.supernet import Supernet
from nas_search.oneshot.training import Halves, train_supernet
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
_TRAINED: Final = ("sampler", "relaxation", "recipe", "arch_recipe", "costs", "loss")
"""What says how a supernet is trained."""
_SAMPLERS: Final[dict[str, Any]] = {
    one.__name__: one for one in (UniformPaths, FairPaths, BinnedPaths, SandwichPaths)
}
_SHORT: Final = {"uniform": "UniformPaths", "fair": "FairPaths", "sandwich": "SandwichPaths"}
_RELAXATIONS: Final[dict[str, Any]] = {
    one.__name__: one for one in (Softmax, Gumbel, GumbelHard, BinaryGates, Reinforced)
}
_LOSSES: Final[dict[str, Any]] = {
    one.__name__: one for one in (Square, Hinge, Linear, LogPower, LogProduct, LogRuntime)
}
_UNSEARCHED: Final = {"strategy": {"name": "RandomSearch"}, "budget": {"trials": 1}}
"""Stands for parts that a file of a supernet may leave out."""


@dataclass(frozen=True)
class WrittenSupernet:
    """A supernet as a file states it.

    Args:
        path: The file. `NAME.supernet` beside it is the folder of checkpoints.
        problem: Of the file.
        supernet: Of the file: `sampler` or `relaxation`, each a name or a table of `name` and
            arguments; `recipe`, `arch_recipe`; `costs`, a table of arguments of `CostTable.of`;
            `loss`, a name and arguments; `weights`, a file of a trained supernet, instead of how it
            is trained; `batches`, `batch_size` and `momentum` of `Inherited`.
        search: Strategy and budget of the file.
    """

    path: FilePath
    problem: Mapping[str, Any]
    supernet: Mapping[str, Any]
    search: Specification
    _data: list[Halves] = field(default_factory=list, repr=False)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> WrittenSupernet:
        """Return what a TOML file says.

        Raises:
            ProblemError: It is no TOML, or a name in it is unknown or missing; the message has the
                line and the nearest names.
            OSError: It cannot be read.
        """
        file = FilePath(path)
        content, lines = read_toml(file)
        stated = content.pop("supernet", None)
        if not isinstance(stated, dict):
            raise ProblemError(f"{file} has no part [supernet]")
        searched = {**_UNSEARCHED, **content}
        check_keys(searched, lines)
        if "space" not in searched["problem"]:
            raise ProblemError(f"{file}: a supernet is of a space, and [problem] has none")
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
        """Train the supernet, or go on; return it, and the sample that a relaxation found.

        A supernet whose weights the file names is not trained.

        Raises:
            ProblemError: An argument is missing or unknown.
            ModelHubError: A space, a recipe, an argument, a data set or a file of weights cannot be
                used.
            OtherTrainingError: The checkpoints are of something else that the file once said.
        """
        stated = self.supernet
        supernet = Supernet(stated_space(self.problem), seed=stated_seed(self.problem))
        if "weights" in stated:
            _load(supernet, self.search.folder, stated["weights"])
            supernet.to(self.problem.get("device", "cpu"))
            return supernet, None
        data = self.data()
        options: dict[str, Any] = {
            "recipe": recipe_of(stated.get("recipe", {})),
            "seed": stated_seed(self.problem),
            "checkpoint": self.checkpoint,
            "device": self.problem.get("device", "cpu"),
            "report": report,
        }
        costs = self._costs(supernet, data)
        if "relaxation" not in stated:
            named = _named(stated.get("sampler", "uniform"))
            if named[0] == BinnedPaths.__name__:
                named[1].setdefault("costs", costs)
            train_supernet(supernet, data, _made("sampler", _SAMPLERS, named), **options)
            return supernet, None
        if "arch_recipe" in stated:
            options["arch_recipe"] = recipe_of(stated["arch_recipe"])
        if "loss" in stated:
            options["cost_loss"] = _made("loss", _LOSSES, _named(stated["loss"]))
        relaxation = _made("relaxation", _RELAXATIONS, _named(stated["relaxation"]))
        found = search_supernet(supernet, data, relaxation, costs=costs, **options)
        return supernet, found.sample

    def make_problem(self, supernet: Supernet) -> SpaceProblem:
        """Return the search of the space on the supernet's weights.

        Raises:
            ProblemError: An objective or a bound means nothing.
            InvalidArgumentError: An argument of the evaluator does.
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
        """Return images for weights and images for architectures; they are read once.

        Raises:
            ProblemError: There is no data set.
            DatasetError: The data set is none.
        """
        if not self._data:
            self._data.append(stated_images(self.problem, self.search.folder))
        return self._data[0]

    def _costs(self, supernet: Supernet, data: Halves) -> CostTable | None:
        stated = self.supernet.get("costs")
        if stated is None:
            return None
        if not isinstance(stated, Mapping):
            raise ProblemError(f"costs are a table of arguments, not {stated!r:.80}")
        arguments = {"input_shape": data[0].shape, **stated}
        return _called("costs", CostTable.of, supernet.space, **arguments)  # type: ignore[no-any-return]


def extracted(written: WrittenSupernet, sample: str, out: str | os.PathLike[str]) -> None:
    """Write the inherited weights of a network, with statistics of norms of its own.

    Args:
        written: Whose supernet it is taken out of; trained first where it is not.
        sample: As JSON.
        out: A file of safetensors, whose metadata have `space`, `arguments` and `sample`.

    Raises:
        InvalidSampleError: The sample is none of the space.
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
    """Put the weights of a file, as a training job makes it, into a supernet.

    Raises:
        ProblemError: The file is none, or of another space.
        CheckpointError: It is damaged.
    """
    if not isinstance(name, str) or not (folder / name).is_file():
        raise ProblemError(f"weights are a file of safetensors, and {name!r:.80} is none")
    tensors, metadata = read_safetensors(folder / name)
    space = supernet.space
    here = (type(space).__name__, json.loads(json.dumps(space.arguments)))
    try:
        there = (metadata["space"], json.loads(metadata["arguments"]))
    except (KeyError, ValueError) as error:
        raise ProblemError(f"{name} does not say of which space it is") from error
    if there != here:
        raise ProblemError(
            f"{name} has the weights of another supernet: {there!r:.300}, not {here!r:.300}"
        )
    try:
        supernet.load_state_dict(tensors)
    except RuntimeError as error:
        raise ProblemError(f"{name} has not the weights of this supernet: {error}") from error


def _named(stated: Any) -> tuple[str, dict[str, Any]]:
    """Return a name and arguments, from either a name or a table."""
    if isinstance(stated, str):
        return _SHORT.get(stated, stated), {}
    name = stated.get("name") if isinstance(stated, Mapping) else None
    if not isinstance(name, str):
        raise ProblemError(f"wanted are a name, or a table with a name, not {stated!r:.80}")
    arguments = {key: value for key, value in stated.items() if key != "name"}
    return _SHORT.get(name, name), arguments


def _made(what: str, known: Mapping[str, Any], named: tuple[str, dict[str, Any]]) -> Any:
    name, arguments = named
    check_known(what, [name], tuple(known))
    return _called(what, known[name], **arguments)


def _called(what: str, make: Callable[..., Any], *given: Any, **arguments: Any) -> Any:
    try:
        return make(*given, **arguments)
    except TypeError as error:
        raise ProblemError(f"{what}: {error}") from error
    except InvalidArgumentError as error:
        raise ProblemError(f"{what}: {error}") from error
