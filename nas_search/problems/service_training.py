"""Training of networks by the workers of a service.

PyTorch is not imported: a job names a network, and the worker builds it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from bench_client.errors import UnknownTrainerError
from nas_search.errors import ProblemError
from nas_search.problems.problem import Report, check_client

if TYPE_CHECKING:
    from bench_client import BenchClient
    from bench_client.models import Device, Job
    from model_hub.model_space import ModelSpace
    from nas_search.recipe import Recipe
    from nas_search.trainers import TrainerUse

__all__ = ["ServiceTraining"]


class ServiceTraining:
    """Evaluator that trains the network of each trial as a job of a service.

    `Study.run(budget, workers="service")` submits the jobs and waits for them. The metrics are
    those of `nas_search.training.Classification`, with the same values for equal arguments on a
    CPU with as many threads. `seconds`, the cost of a trial, is measured on the worker's device.
    The worker also counts `parameters` and `macs`; the client needs PyTorch to check their bounds.

    Args:
        bench: A client of the service.
        dataset: Name of a data set of the workers; `bench.datasets()` lists them.
        recipe: The training recipe: a `Recipe`, the name of a published one, or its fields.
        trainer: A trainer in place of the service's own loop: the name of a trainer that workers
            offer, or an object of its `name`, `options` and, to require particular code, `package`,
            `version` and `sha256`. Missing ones of these three are requested from the service here,
            once: the code is part of the problem, and a study cannot be resumed with other code.
        protocol: Name or object of an evaluation protocol, which defines how images are resized,
            cropped and normalised; None: images have one size and are used unchanged.
        fractions: Shares of each class used for training and for validation.
        split_seed: Seed of this split.
        seed: Seed of initial weights, the order of images and all other random draws.
        device: `any`, `cpu` or `cuda`.
        jobs: The number of unfinished jobs at a time, including queued ones.

    Raises:
        ProblemError: `bench` is no client.
        InvalidArgumentError: The recipe, the trainer or a number is invalid.
        UnknownNameError: There is no published recipe of this name.
        UnknownTrainerError: No worker offers the trainer, or they offer several of this name.
        BenchError: The service did not answer when asked for its trainers.
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
        trainer: str | Mapping[str, Any] | None = None,
        protocol: str | Mapping[str, Any] | None = None,
        fractions: Sequence[float] = (0.5, 0.5),
        split_seed: int = 0,
        seed: int = 0,
        device: Device = "any",
        jobs: int = 4,
    ) -> None:
        # Imported here: these import `model_hub`, which searches on tables do not need.
        from model_hub.arguments import a_count  # noqa: PLC0415
        from nas_search.recipe import Recipe, recipe_of  # noqa: PLC0415
        from nas_search.trainers import TrainerUse  # noqa: PLC0415

        check_client(bench)
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
        if trainer is not None:
            use = TrainerUse.stated_as_argument(trainer)
            found = use if use.is_complete else use.completed(_offered(bench, use))
            self._options["trainer"] = found.as_dict()

    @property
    def optional_metrics(self) -> tuple[str, ...]:
        """The metrics that a trainer may leave out."""
        return ("top5",) if "trainer" in self._options else ()

    @property
    def settings(self) -> dict[str, Any]:
        """All arguments that affect the metrics, as JSON; the data set by its name."""
        return {"recipe": self._recipe.as_dict(), **self._options}

    def evaluate(
        self, space: Any, sample: dict[str, Any], *, fidelity: int | None, report: Report
    ) -> NoReturn:
        """Raise, because only a run with `workers="service"` tracks jobs.

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
            sample: A sample of the space.
            fidelity: Epochs after which to end; None: all of the recipe.
            key: Idempotency key: submitting again with the same key returns the same job.
            time_limit: Seconds for each attempt; None: the limit of the service.

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
        """Return the metrics of a succeeded job.

        Raises:
            KeyError: It is no result of a training; TypeError and ValueError mean the same.
        """
        result = job.result or {}
        figures = {**result, **result["metrics"]}
        return {
            name: float(figures[name])
            for name in self.metrics
            if name in figures or name not in self.optional_metrics
        }


def _offered(bench: BenchClient, use: TrainerUse) -> dict[str, str]:
    """Return the package, version and digest of a trainer that workers of a service offer.

    Raises:
        UnknownTrainerError: No worker offers it, or the reference fits several.
    """
    known = {
        (one.name, one.package, one.version, one.sha256): one.model_dump()
        for worker in bench.workers()
        if worker.alive
        for one in worker.trainers
    }
    found = [code for code in known.values() if use.code.items() <= code.items()]
    if len(found) == 1:
        return found[0]
    told = [
        "{name} ({package} {version}, sha256 {sha256})".format_map(code)
        for code in found or known.values()
    ]
    several = "more than one trainer" if found else "no trainer"
    raise UnknownTrainerError(
        f"workers have {several} {use.name!r}{': select one by sha256' if found else ''}; "
        f"they have {'; '.join(sorted(told)) or 'none'}"
    )
