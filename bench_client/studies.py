"""Methods that read studies: recorded searches that a service shows."""

from __future__ import annotations

from typing import Literal

from bench_client.models.studies import StudyDetails, StudyInfo, StudyList
from bench_client.operations import Question, Steps, ask

__all__ = ["studies", "study"]


def studies() -> Steps[list[StudyInfo]]:
    """Return the studies of a service, which are recorded searches, by folder.

    Raises:
        UnsupportedQuestionError: In local mode; use `nas_search.study` to read files.
    """
    return (yield from ask(Question("studies", StudyList))).items


def study(name: str, *, over: Literal["seconds", "evaluations"] = "seconds") -> Steps[StudyDetails]:
    """Return the searches of a study and the comparison of its strategies, from its current files.

    Args:
        name: Name of the study.
        over: Axis of the comparison: `seconds` (simulated time, which searches on benchmarks
            record) or `evaluations`.

    Raises:
        InvalidRequestError: There is no such study, or `over` is unknown.
        UnsupportedQuestionError: In local mode; use `nas_search.study` to read files.
    """
    return (yield from ask(Question("study", StudyDetails, options={"over": over}, study=name)))
