"""Recorded searches that a service shows."""

from __future__ import annotations

from typing import Literal

from bench_client.models.studies import StudyDetails, StudyInfo, StudyList
from bench_client.operations import Question, Steps, ask

__all__ = ["studies", "study"]


def studies() -> Steps[list[StudyInfo]]:
    """Return the studies of a service: recorded searches, by the folder that they lie in.

    Raises:
        UnsupportedQuestionError: In local mode: `nas_search.study` reads files.
    """
    return (yield from ask(Question("studies", StudyList))).items


def study(name: str, *, over: Literal["seconds", "evaluations"] = "seconds") -> Steps[StudyDetails]:
    """Return a study as its files have it now: its searches, and how its strategies compare.

    Args:
        name: Its name.
        over: What strategies are compared over: simulated seconds, which searches on benchmarks
            have, or evaluations.

    Raises:
        InvalidRequestError: There is no such study, or no such `over`.
        UnsupportedQuestionError: In local mode: `nas_search.study` reads files.
    """
    return (yield from ask(Question("study", StudyDetails, options={"over": over}, study=name)))
