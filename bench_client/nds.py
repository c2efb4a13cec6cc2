"""The questions of NDS, with the types of their arguments and answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, TypeAlias, TypedDict, Unpack

from bench_client.arguments import Reduction, number, text, whole
from bench_client.choices import (
    NdsDataset,
    NdsGenerator,
    NdsMetric,
    NdsModelFamily,
    NdsProposer,
)
from bench_client.frames import Batch, Items
from bench_client.models.nds import (
    MODELS,
    NdsCurves,
    NdsDistribution,
    NdsDistributions,
    NdsFamilies,
    NdsFamily,
    NdsStats,
)
from bench_client.operations import Question, Steps, ask
from bench_client.tables import curves, runs, runs_of_many

__all__ = ["NdsBounds", "NdsError", "NdsSort", "Specification", "curves_nds", "distribution_nds"]
__all__ += ["families_nds", "query_nds", "query_nds_many"]

Specification: TypeAlias = str | Mapping[str, Any]
"""A model or cell specification: a dict with its keys in any order, or its JSON."""

_NAME = MODELS.spec.name

NdsError: TypeAlias = Literal[
    "final_train_error", "best_train_error", "final_test_error", "best_test_error"
]
"""What a distribution may be of beside statistics: 100 minus an accuracy, in percent."""

NdsSort: TypeAlias = Literal[
    "parameters",
    "-parameters",
    "flops",
    "-flops",
    "base_lr",
    "-base_lr",
    "weight_decay",
    "-weight_decay",
    "final_train_acc",
    "-final_train_acc",
    "best_train_acc",
    "-best_train_acc",
    "final_test_acc",
    "-final_test_acc",
    "best_test_acc",
    "-best_test_acc",
]
"""What runs are sorted by; with a minus the largest comes first."""


class NdsBounds(TypedDict, total=False):
    """Least and greatest values, included, of what runs have; None is no bound.

    `parameters` and `flops` in millions, accuracies in percent.
    """

    min_parameters: float | None
    max_parameters: float | None
    min_flops: float | None
    max_flops: float | None
    min_base_lr: float | None
    max_base_lr: float | None
    min_weight_decay: float | None
    max_weight_decay: float | None
    min_final_train_acc: float | None
    max_final_train_acc: float | None
    min_best_train_acc: float | None
    max_best_train_acc: float | None
    min_final_test_acc: float | None
    max_final_test_acc: float | None
    min_best_test_acc: float | None
    max_best_test_acc: float | None


def query_nds(  # noqa: PLR0913 - the filters of the benchmark
    model_family: NdsModelFamily | None = None,
    proposer: NdsProposer | None = None,
    generator: NdsGenerator | None = None,
    model_spec: Specification | None = None,
    cell_spec: Specification | None = None,
    dataset: NdsDataset | None = None,
    num_epochs: int | None = None,
    *,
    seed: int | None = None,
    sort: NdsSort | None = None,
    limit: int | None = None,
    reduction: Reduction | None = None,
    include_intermediates: bool = False,
    **bounds: Unpack[NdsBounds],
) -> Steps[Items[NdsStats]]:
    """Return the runs that match, in stable order, or one item a configuration when reduced.

    None is a wildcard: without any filter, every run of the benchmark comes back, page by page.

    Args:
        model_family: `nas_cell`, `residual_basic`, `residual_bottleneck` or `vanilla`.
        proposer: `amoeba`, `darts`, `enas`, `nasnet`, `pnas`, `resnet`, `resnet-b`, `resnext-a`,
            `resnext-b` or `vanilla`.
        generator: `random`, `fix_w_d` or `tune_lr_wd`.
        model_spec: The network, matched whole, its keys in any order.
        cell_spec: Its cells, likewise; `{}` for networks without cells.
        dataset: `cifar10` or `imagenet`.
        num_epochs: Training budget, in epochs.
        seed: Seed of the run; reruns share it.
        sort: `parameters`, `flops`, `base_lr`, `weight_decay`, or one of the four accuracies;
            `-best_test_acc` for the largest first. When reduced, `base_lr` and `weight_decay`.
        limit: Return so many items at most.
        reduction: `mean`, `std`, `min` or `max` over the runs of each configuration; `seed` is
            None then, and `num_runs` says how many they were.
        include_intermediates: Whether each item carries its learning curves, one object an epoch.
            `curves_nds` gives them in columns, several times faster.
        bounds: `min_` and `max_` of what can be sorted by, as in `NdsBounds`.

    Returns:
        The items; empty when nothing matches. Accuracies are in percent, times in seconds,
        `parameters` and `flops` in millions; None stands for "not recorded".

    Raises:
        InvalidRequestError: A filter is malformed or unknown.
        BenchmarkNotInstalledError: The server has no NDS.
    """
    which = {
        **_space(model_family, proposer, generator, dataset, num_epochs),
        "model_spec": model_spec,
        "cell_spec": cell_spec,
        "seed": whole("seed", seed),
        **_bounds(bounds),
    }
    return runs(
        MODELS,
        which,
        reduction=reduction,
        include_intermediates=include_intermediates,
        sort=sort,
        limit=whole("limit", limit),
    )


def query_nds_many(
    archs: Iterable[Mapping[str, Any]],
    model_family: NdsModelFamily | None = None,
    proposer: NdsProposer | None = None,
    generator: NdsGenerator | None = None,
    dataset: NdsDataset | None = None,
    num_epochs: int | None = None,
    *,
    reduction: Reduction | None = None,
    include_intermediates: bool = False,
) -> Steps[Batch[NdsStats]]:
    """Return the runs of many networks, aligned with them.

    One request answers for 10,000 networks, or for 64 when learning curves are included.

    Args:
        archs: The networks, each `{"model_spec": …, "cell_spec": …}`; without `cell_spec`, one
            that has no cells. Any iterable.
        model_family: As for `query_nds`, like all that follow.
        proposer: Whose design space.
        generator: How networks were sampled.
        dataset: The data set.
        num_epochs: Training budget, in epochs.
        reduction: `mean`, `std`, `min` or `max` over the runs of each configuration.
        include_intermediates: Whether each item carries its learning curves, one object an epoch.

    Raises:
        InvalidArchitectureError: Some are malformed. Its `positions` says which, its `results`
            holds what was found for the others.
        InvalidRequestError: Another filter is malformed.
        BenchmarkNotInstalledError: The server has no NDS.
    """
    which = _space(model_family, proposer, generator, dataset, num_epochs)
    whether = include_intermediates
    return runs_of_many(MODELS, archs, which, reduction=reduction, include_intermediates=whether)


def curves_nds(  # noqa: PLR0913 - the filters of the benchmark
    model_family: NdsModelFamily | None = None,
    proposer: NdsProposer | None = None,
    generator: NdsGenerator | None = None,
    model_spec: Specification | None = None,
    cell_spec: Specification | None = None,
    dataset: NdsDataset | None = None,
    num_epochs: int | None = None,
    *,
    seed: int | None = None,
    sort: NdsSort | None = None,
    limit: int | None = None,
    reduction: Reduction | None = None,
    **bounds: Unpack[NdsBounds],
) -> Steps[Items[NdsCurves]]:
    """Return the learning curves of the runs that match, in columns: one list a statistic.

    Arguments, order and errors are those of `query_nds`.
    """
    which = {
        **_space(model_family, proposer, generator, dataset, num_epochs),
        "model_spec": model_spec,
        "cell_spec": cell_spec,
        "seed": whole("seed", seed),
        **_bounds(bounds),
    }
    return curves(MODELS, which, reduction=reduction, sort=sort, limit=whole("limit", limit))


def families_nds() -> Steps[Items[NdsFamily]]:
    """Return the design spaces as sampled and trained, with how many runs and networks each has.

    Raises:
        BenchmarkNotInstalledError: The server has no NDS.
    """
    found = yield from ask(Question("families", NdsFamilies, _NAME))
    return Items(found.items, NdsFamily)


def distribution_nds(
    metric: NdsMetric | NdsError = "best_test_error",
    model_family: NdsModelFamily | None = None,
    proposer: NdsProposer | None = None,
    generator: NdsGenerator | None = None,
    dataset: NdsDataset | None = None,
    num_epochs: int | None = None,
    *,
    points: int | None = None,
    **bounds: Unpack[NdsBounds],
) -> Steps[Items[NdsDistribution]]:
    """Return how a metric is distributed over the configurations of each design space.

    `value` and `fraction` are points of the empirical distribution function, as the paper's
    figures draw it; a configuration counts once, with the mean over its runs.

    Args:
        metric: `final_train_error`, `best_train_error`, `final_test_error`, `best_test_error`, or a
            statistic of `NdsStats`.
        model_family: As for `query_nds`, and so on.
        proposer: Whose design space.
        generator: How networks were sampled.
        dataset: The data set.
        num_epochs: Training budget, in epochs.
        points: How many points at most, 1 to 1000; 100 by default.
        bounds: `min_` and `max_` of what runs have, as in `NdsBounds`: other runs do not count.

    Raises:
        InvalidRequestError: The metric or a filter is malformed or unknown.
        BenchmarkNotInstalledError: The server has no NDS.
    """
    space = _space(model_family, proposer, generator, dataset, num_epochs)
    options = {"metric": text("metric", metric), "points": whole("points", points)}
    question = Question(
        "distribution", NdsDistributions, _NAME, {**space, **_bounds(bounds)}, options
    )
    return Items((yield from ask(question)).items, NdsDistribution)


def _bounds(given: Mapping[str, Any]) -> dict[str, float | None]:
    return {name: number(name, value) for name, value in given.items()}


def _space(
    model_family: NdsModelFamily | None,
    proposer: NdsProposer | None,
    generator: NdsGenerator | None,
    dataset: NdsDataset | None,
    num_epochs: int | None,
) -> dict[str, Any]:
    return {
        "model_family": model_family,
        "proposer": proposer,
        "generator": generator,
        "dataset": dataset,
        "num_epochs": whole("num_epochs", num_epochs),
    }
