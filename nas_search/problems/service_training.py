"""Training by the workers of a service: what is asked of them, and what their jobs found.

Needs no PyTorch: networks are named, and built where they are trained.
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
        trainer: What trains in place of the service's own loop: name of a trainer that its workers
            have, or an object of its `name`, `options` and, if only that code will do, `package`,
            `version` and `sha256`. What is left out of these three is asked of the workers here,
            once: the code is part of the problem, so that no study goes on with another one.
        protocol: How images are resized, cropped and normalised: name or object of an evaluation
            protocol; None: they are of one size and taken as they are.
        fractions: Parts of each class to train on and to compare networks by.
        split_seed: What the parts are drawn by.
        seed: What first weights, the order of images and all else that is random is drawn by.
        device: Where: `any`, `cpu` or `cuda`.
        jobs: How many are under way at a time; those that no worker is free for wait there.

    Raises:
        ProblemError: That is no client.
        InvalidArgumentError: The recipe, the trainer or a number cannot mean anything.
        UnknownNameError: There is no such published recipe.
        UnknownTrainerError: No worker has the trainer, or workers have several of the name.
        BenchError: The service was asked for its trainers, and does not answer.
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
        # Not at the top: searches on tables need no spaces, which recipes are checked with.
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
        """Those of the metrics that a trainer may leave out."""
        return ("top5",) if "trainer" in self._options else ()

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
        return {
            name: float(figures[name])
            for name in self.metrics
            if name in figures or name not in self.optional_metrics
        }


def _offered(bench: BenchClient, use: TrainerUse) -> dict[str, str]:
    """Return the code of the trainer that is meant, as the workers of a service have it.

    Raises:
        UnknownTrainerError: No worker has it, or they have several and it is not said which.
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
        f"workers have {several} {use.name!r}{': say which by sha256' if found else ''}; "
        f"they have {'; '.join(sorted(told)) or 'none'}"
    )
