"""Problems of a function, and on spaces of the model hub."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from typing import Any

import pytest

import model_hub
from bench_client.operations import drive
from nas_search.contract import Candidate
from nas_search.errors import NoFeasibleError, ProblemError
from nas_search.problems import FunctionProblem, Report, SpaceProblem
from nas_search.strategies.draws import generator_of

CHOICES = {"x": [1, 2, 3], "y": [10, 20]}
ARCH = '{"x": 2, "y": 10}'


def product(sample: dict[str, Any]) -> float:
    return float(sample["x"] * sample["y"])


def test_a_function_of_one_value_is_that_of_the_objective() -> None:
    outcome = FunctionProblem(CHOICES, product).evaluate(Candidate(arch=ARCH))
    assert (outcome.metrics, outcome.error) == ({"value": 20.0}, None)
    assert outcome.cost >= 0


def test_figures_by_name_are_kept_with_what_is_known() -> None:
    def both(sample: dict[str, Any]) -> Mapping[str, float]:
        return {"score": product(sample), "more": 1, "seconds": 7.0}

    known = {"size": lambda sample: sample["y"]}
    problem = FunctionProblem(CHOICES, both, objectives=["score"], known=known)
    outcome = problem.evaluate(Candidate(arch=ARCH))
    assert outcome.metrics == {"score": 20.0, "more": 1.0, "size": 10.0, "seconds": 7.0}
    assert outcome.cost == 7.0


@pytest.mark.parametrize(
    ("returned", "told"),
    [
        (float("nan"), "returned score = nan"),
        ({"other": 1.0}, "returned no score; it returned other"),
        ("high", "ValueError: could not convert"),
        (None, "TypeError"),
    ],
)
def test_what_cannot_be_ranked_has_failed(returned: Any, told: str) -> None:
    problem = FunctionProblem(CHOICES, lambda _: returned, objectives=["score"])
    outcome = problem.evaluate(Candidate(arch=ARCH))
    assert told in (outcome.error or "")
    assert outcome.metrics == {}


def test_one_value_for_two_objectives_has_failed() -> None:
    problem = FunctionProblem(CHOICES, product, objectives=["a", "-b"])
    outcome = problem.evaluate(Candidate(arch=ARCH))
    assert "the evaluation returns metrics by name (a, b)" in (outcome.error or "")


def test_an_exception_is_told_in_one_line_and_an_interrupt_is_not_caught() -> None:
    def fail(_: Any) -> float:
        raise RuntimeError("out of memory")

    def interrupt(_: Any) -> float:
        raise KeyboardInterrupt

    outcome = FunctionProblem(CHOICES, fail).evaluate(Candidate(arch=ARCH))
    assert outcome.error == "RuntimeError: out of memory"
    with pytest.raises(KeyboardInterrupt):
        FunctionProblem(CHOICES, interrupt).evaluate(Candidate(arch=ARCH))


def test_a_fidelity_is_passed_on() -> None:
    problem = FunctionProblem(
        CHOICES, lambda sample, epochs: sample["x"] * epochs, fidelities=[1, 3, 9]
    )
    evaluate = problem.evaluate
    assert evaluate(Candidate(arch=ARCH, fidelity=3)).metrics == {"value": 6.0}
    assert evaluate(Candidate(arch=ARCH)).metrics == {"value": 18.0}


def test_bounds_on_what_is_known_are_met_by_every_draw() -> None:
    known = {"size": product}
    problem = FunctionProblem(CHOICES, product, bounds={"size": (15, 30)}, known=known)
    domain, rng = problem.domain(), generator_of(0)
    drawn = set(iter(lambda: drive(domain.sample(rng), problem.answer), None))
    assert drawn == {
        '{"x": 1, "y": 20}',
        '{"x": 2, "y": 10}',
        '{"x": 3, "y": 10}',
    }
    impossible = FunctionProblem(CHOICES, product, bounds={"size": (None, 5)}, known=known)
    with pytest.raises(NoFeasibleError, match=r"size: 6, the nearest 10 where the bound is 5"):
        drive(impossible.domain().sample(rng), impossible.answer)


def test_what_cannot_be_called_is_no_function() -> None:
    with pytest.raises(ProblemError, match="the function is 'best', which cannot be called"):
        FunctionProblem({"x": [1, 2]}, "best")  # type: ignore[arg-type]


def test_without_a_function_nothing_is_evaluated() -> None:
    with pytest.raises(ProblemError, match=r"call study\.ask and study\.tell in your own loop"):
        FunctionProblem(CHOICES).evaluate(Candidate(arch=ARCH))


def test_nobody_is_asked() -> None:
    with pytest.raises(ProblemError, match="the strategy asks a benchmark"):
        FunctionProblem(CHOICES).answer(lambda bench: bench)


def test_specifications_tell_problems_apart() -> None:
    one = FunctionProblem(CHOICES, product).spec
    assert one == FunctionProblem(dict(CHOICES), product).spec
    assert one != FunctionProblem({**CHOICES, "z": [1]}, product).spec
    assert one != FunctionProblem(CHOICES, product, objectives=["-value"]).spec


class Counting:
    """Counts what it is asked, and reports an epoch."""

    metrics = ("accuracy",)
    settings: Mapping[str, Any] = {"epochs": 2}

    def evaluate(
        self, space: Any, sample: dict[str, Any], *, fidelity: int | None, report: Report
    ) -> Mapping[str, float]:
        report("epoch", {"epoch": 1, "space": type(space).__name__})
        return {"accuracy": len(sample) / (fidelity or 1), "seconds": 3.0}


class TestSpaces:
    """Networks of a space of the model hub."""

    @pytest.fixture
    def space(self) -> Any:
        return model_hub.space("NasBench201", num_modules_per_stack=1)

    def test_an_evaluator_measures_and_reports(self, space: Any) -> None:
        problem = SpaceProblem(space, Counting(), objectives=["accuracy", "-macs"])
        arch = drive(problem.domain().sample(generator_of(0)), problem.answer)
        seen: list[Any] = []
        outcome = problem.evaluate(
            Candidate(arch=arch or ""), lambda kind, figures: seen.append((kind, figures))
        )
        sample = space.choices.from_json(arch)
        assert outcome.metrics == {
            "accuracy": 6.0,
            "seconds": 3.0,
            "macs": space.profile(sample).macs,
        }
        assert outcome.cost == 3.0
        assert seen == [("epoch", {"epoch": 1, "space": "NasBench201"})]

    def test_a_function_of_samples_serves(self, space: Any) -> None:
        problem = SpaceProblem(space, len, objectives=["-parameters"])
        arch = drive(problem.domain().sample(generator_of(0)), problem.answer)
        outcome = problem.evaluate(Candidate(arch=arch or ""))
        assert "parameters" in outcome.metrics

    def test_bounds_on_macs_are_met_by_every_draw(self, space: Any) -> None:
        bounds = {"macs": (None, 20e6)}
        problem = SpaceProblem(space, len, objectives=["value"], bounds=bounds)
        domain, rng = problem.domain(), generator_of(0)
        for _ in range(5):
            arch = drive(domain.sample(rng), problem.answer)
            assert space.profile(space.choices.from_json(arch)).macs <= 20e6
        assert domain.refused["macs"] > 0  # type: ignore[attr-defined]

    def test_an_unknown_metric_is_refused(self, space: Any) -> None:
        with pytest.raises(ProblemError, match="unknown metric 'accurracy'; is it accuracy"):
            SpaceProblem(space, Counting(), objectives=["accurracy"])

    def test_fidelities_need_an_evaluator(self, space: Any) -> None:
        with pytest.raises(ProblemError, match="fidelities need an Evaluator"):
            SpaceProblem(space, len, fidelities=[1, 2])

    def test_a_problem_arrives_in_another_process(self, space: Any) -> None:
        problem = SpaceProblem(space, Counting(), objectives=["accuracy", "-parameters"])
        assert pickle.loads(pickle.dumps(problem)).spec == problem.spec
        assert problem.spec["evaluator"] == {"name": "Counting", "settings": {"epochs": 2}}
