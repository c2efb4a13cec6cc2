"""Training by the workers of a service: what is asked of them, and what their jobs found.

Needs no PyTorch: networks are named, and built where they are trained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from nas_search.errors import ProblemError
from nas_search.problems.problem import Report

if TYPE_CHECKING:
    from bench_client import BenchClient
    from bench_client.models import Device, Job
    from model_hub.model_space import ModelSpace
    from nas_search.recipe import Recipe

__all__ = ["ServiceTraining"]


class ServiceTraining:
    """Has the network of each trial trained as a job of a service.

    `Study.run(budget, workers="service")` submits the jobs and waits for them. The metrics are
    those of `nas_search.training.Classification`, and with equal arguments, on a processor with as
    many threads, so are the figures; `seconds`, the cost of a trial, are those on the device.
    `parameters` and `macs` are counted there, too; only bounds on them are counted here, with
    PyTorch.

    Args:
        bench: The service.
        dataset: Name of a data set that its workers have; `bench.datasets()` lists them.
        recipe: How networks are trained: a recipe, the name of a published one, or its fields.
        protocol: How images are resized, cropped and normalised: name or object of an evaluation
            protocol; None: they are of one size and taken as they are.
        fractions: Parts of each class to train on and to compare networks by.
        split_seed: What the parts are drawn by.
        seed: What first weights, the order of images and all else that is random is drawn by.
        device: Where: `any`, `cpu` or `cuda`.
        jobs: How many are under way at a time; those that no worker is free for wait there.

    Raises:
        InvalidArgumentError: The recipe or a number cannot mean anything.
        UnknownNameError: There is no such published recipe.
    """

    metrics: ClassVar[tuple[str, ...]] = (
        *("accuracy", "top5", "loss", "train_accuracy", "train_loss"),
        *("seconds", "peak_memory", "epochs", "parameters", "macs"),
    )

    def __init__(  # noqa: PLR0913 - the choices of a training
        self,
        bench: BenchClient,
        dataset: str,
        recipe: Recipe | str | Mapping[str, Any],
        *,
        protocol: str | Mapping[str, Any] | None = None,
        fractions: Sequence[float] = (0.5, 0.5),
        split_seed: int = 0,
        seed: int = 0,
        device: Device = "any",
        jobs: int = 4,
    ) -> None:
        # Not at the top: searches on tables need no spaces, which recipes are checked with.
        from model_hub.arguments import a_count  # noqa: PLC0415
        from nas_search.recipe import Recipe, recipe_of  # noqa: PLC0415

        self.bench = bench
        self.jobs = a_count("jobs", jobs)
        self._recipe = recipe if isinstance(recipe, Recipe) else recipe_of(recipe)
        self._options: dict[str, Any] = {
            "dataset": dataset,
            "protocol": protocol,
            "fractions": list(fractions),
            "split_seed": split_seed,
            "seed": seed,
            "device": device,
        }

    @property
    def settings(self) -> dict[str, Any]:
        """What makes the figures, as JSON; the data set by its name."""
        return {"recipe": self._recipe.as_dict(), **self._options}

    def evaluate(
        self, space: Any, sample: dict[str, Any], *, fidelity: int | None, report: Report
    ) -> NoReturn:
        """Refuse: whoever only evaluates keeps no account of jobs.

        Raises:
            ProblemError: Always.
        """
        del space, sample, fidelity, report
        raise ProblemError('a service trains only for `study.run(…, workers="service")`')

    def submit(
        self,
        space: ModelSpace,
        sample: Mapping[str, Any],
        *,
        fidelity: int | None,
        key: str,
        time_limit: float | None,
    ) -> Job:
        """Submit the training of the network of a sample, and return its job.

        Args:
            space: The model space.
            sample: Of it.
            fidelity: After how many epochs of the recipe to end; None: after all.
            key: Stands for the submission: repeated, it gives the same job.
            time_limit: Seconds that an attempt may take; None: as many as the service allows.

        Raises:
            BenchError: The service does not answer, or refuses.
        """
        return self.bench.train(
            space=type(space).__name__,
            arguments=space.arguments,
            arch=dict(sample),
            recipe=self._recipe.as_dict(),
            epochs=fidelity,
            time_limit=time_limit,
            idempotency_key=key,
            wait=False,
            **self._options,
        )

    def figures_of(self, job: Job) -> dict[str, float]:
        """Return the metrics of a job that has succeeded.

        Raises:
            KeyError: Its result is none of a training; TypeError and ValueError mean the same.
        """
        result = job.result or {}
        figures = {**result, **result["metrics"]}
        return {name: float(figures[name]) for name in self.metrics}
