"""Problems on networks in a specification: a space, a data set, and a recipe or proxies.

Only this module of the package imports PyTorch, and not if a service trains.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import model_hub
from missing_extra import needs
from model_hub.protocols import protocol
from nas_search.errors import ProblemError
from nas_search.problems import Evaluator, ServiceTraining, SpaceProblem
from nas_search.recipe import recipe_of

if TYPE_CHECKING:
    from bench_client import BenchClient
    from model_hub.model_space import ModelSpace
    from nas_search.proxies import NetworkScore
    from nas_search.training import ImageSet

__all__ = [
    "network_score",
    "space_problem",
    "stated_images",
    "stated_seed",
    "stated_space",
]

_FRACTIONS: Final = (0.5, 0.5)
"""Shares of images for training and for validation, as NAS-Bench-201 halves CIFAR-10."""

_SCORED: Final = 128
"""Images in the batch for proxies, as in their papers."""


def space_problem(
    stated: Mapping[str, Any], folder: Path, bench: BenchClient | None = None
) -> SpaceProblem:
    """Make the problem of searching a space.

    Args:
        stated: The table [problem].
        folder: The folder for relative paths.
        bench: A client of the service that trains, if `jobs` is given.

    Raises:
        ProblemError: A key is missing, or two keys contradict each other.
        ModelHubError: The space is unknown, or an argument of it or of the recipe is invalid.
        DatasetError: The data set is invalid.
        MissingExtraError: PyTorch is not installed.
    """
    space = stated_space(stated)
    default = list(stated.get("proxies", ()))[:1] or ["accuracy"]
    return SpaceProblem(
        space,
        _service(stated, bench) if "jobs" in stated else _evaluator(stated, folder),
        objectives=stated.get("objectives", default),
        bounds=stated.get("bounds"),
        fidelities=stated.get("fidelities", ()),
    )


def network_score(stated: Mapping[str, Any], folder: Path, name: str) -> NetworkScore:
    """Return the score of a proxy for the architectures of a space.

    Raises:
        ProblemError: The problem has no data set.
        InvalidArgumentError: There is no such proxy.
        DatasetError: The data set is invalid.
    """
    with needs("hub", "a zero-cost proxy"):
        from nas_search.proxies import NetworkScore

    train, _ = stated_images(stated, folder)
    return NetworkScore(stated_space(stated), _batch(train), name, seed=stated_seed(stated))


def stated_space(stated: Mapping[str, Any]) -> ModelSpace:
    """Return the space of a problem.

    Raises:
        ProblemError: `space` is no name, or `arguments` is no table.
        ModelHubError: The space is unknown, or an argument is invalid.
    """
    arguments = stated.get("arguments", {})
    if not isinstance(stated["space"], str) or not isinstance(arguments, Mapping):
        raise ProblemError("space must be a name, and arguments a table of names and values")
    return model_hub.space(stated["space"], **arguments)


def _service(stated: Mapping[str, Any], bench: BenchClient | None) -> ServiceTraining:
    if bench is None:
        raise ProblemError("training by a service needs a client of the service")
    if here := [name for name in ("proxies", "checkpoints") if name in stated]:
        raise ProblemError(f"{here[0]} cannot be combined with jobs, which a service evaluates")
    if not isinstance(stated.get("dataset"), str):
        raise ProblemError("the problem has no dataset: give the name of one that workers have")
    return ServiceTraining(
        bench,
        stated["dataset"],
        stated.get("recipe", {}),
        trainer=stated.get("trainer"),
        protocol=stated.get("protocol"),
        fractions=stated.get("fractions", _FRACTIONS),
        split_seed=stated_seed(stated),
        seed=stated_seed(stated),
        device=stated.get("device", "any"),
        jobs=stated["jobs"],
    )


def _evaluator(stated: Mapping[str, Any], folder: Path) -> Evaluator:
    train, valid = stated_images(stated, folder)
    if "proxies" in stated:
        if "recipe" in stated or "trainer" in stated:
            raise ProblemError("networks are trained by a recipe or scored by proxies, not both")
        from nas_search.proxies import ProxyEvaluator

        return ProxyEvaluator(_batch(train), stated["proxies"], seed=stated_seed(stated))
    from nas_search.training import Classification

    checkpoints = stated.get("checkpoints")
    return Classification(
        train,
        valid,
        recipe=recipe_of(stated.get("recipe", {})),
        trainer=stated.get("trainer"),
        seed=stated_seed(stated),
        device=stated.get("device", "cpu"),
        checkpoints=None if checkpoints is None else folder / checkpoints,
    )


def stated_images(stated: Mapping[str, Any], folder: Path) -> tuple[ImageSet, ImageSet]:
    """Return images for training and images for validation, both from the training images.

    Raises:
        ProblemError: There is no data set, or there are not two fractions.
        DatasetError: The data set is invalid.
    """
    with needs("hub", "training"):
        from model_hub.evaluation import read_images
        from nas_search.training import images_of, split

    if not isinstance(stated.get("dataset"), str):
        raise ProblemError("the problem has no dataset: give a folder or archive of images")
    chosen = None if "protocol" not in stated else protocol(stated["protocol"])
    images = images_of(read_images(folder / stated["dataset"], train=True), chosen)
    fractions = stated.get("fractions", _FRACTIONS)
    if not isinstance(fractions, list | tuple) or len(fractions) != len(_FRACTIONS):
        raise ProblemError(f"there are two fractions, training and validation, not {fractions!r}")
    train, valid = split(images, fractions, seed=stated_seed(stated))
    return train, valid


def _batch(images: ImageSet) -> Any:
    import torch

    first = torch.arange(min(_SCORED, len(images)))
    ((pixels, labels, _),) = images.batches([(first, None)], None)
    return images.normalised(pixels, torch.float32), labels


def stated_seed(stated: Mapping[str, Any]) -> int:
    """Return the seed of a problem.

    Raises:
        ProblemError: It is no integer.
    """
    seed = stated.get("seed", 0)
    if type(seed) is not int:
        raise ProblemError(f"seed is {seed!r:.80}, not a whole number")
    return seed
