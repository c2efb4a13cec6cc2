"""How others write a sample: unused labels, and subsets as one boolean a candidate."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Final

from model_hub.choices import Choice, Chosen, Sample, Subset
from model_hub.errors import InvalidSampleError, listed, nearest, shown

__all__ = ["read_choice", "refuse_unknown_labels"]

_COUNT_KEY: Final = "n"
"""`label/n` may stand beside the booleans of a subset; its value says nothing new."""


def read_choice(space: str, choice: Choice, sample: Sample) -> Chosen:
    """Return the value of a choice in a sample, whichever way it is spelled.

    Raises:
        InvalidSampleError: It is missing, spelled twice or no value of the choice.
    """
    booleans = _booleans(choice, sample)
    if choice.label in sample:
        if booleans:
            raise InvalidSampleError(
                choice.label, f"the sample has this label and also {listed(booleans)}"
            )
        return choice.read(sample[choice.label])
    if not booleans:
        raise InvalidSampleError(choice.label, _missing(space, choice))
    for key, value in booleans.items():
        if not isinstance(value, bool):
            raise InvalidSampleError(key, f"{shown(value)} is not true or false")
    absent = [key for key in _boolean_keys(choice) if key not in booleans]
    if absent:
        raise InvalidSampleError(absent[0], _missing(space, choice))
    members = zip(choice.candidates, _boolean_keys(choice), strict=True)
    return choice.read([candidate for candidate, key in members if booleans[key]])


def refuse_unknown_labels(
    space: str, sample: Sample, choices: Iterable[Choice], tolerated: AbstractSet[str]
) -> None:
    """Refuse labels that no choice has and that are not tolerated.

    Raises:
        InvalidSampleError: There is one; the message offers the nearest.
    """
    choices = list(choices)
    labels = [choice.label for choice in choices]
    spelled = {key for choice in choices for key in (choice.label, *_boolean_keys(choice))}
    counts = {f"{c.label}/{_COUNT_KEY}" for c in choices if isinstance(c, Subset)}
    known = spelled | counts | tolerated
    for label in sample:
        if label not in known:
            raise InvalidSampleError(
                str(label), f"{space} has no such label{nearest(label, labels)}"
            )


def _booleans(choice: Choice, sample: Sample) -> dict[str, object]:
    return {key: sample[key] for key in _boolean_keys(choice) if key in sample}


def _boolean_keys(choice: Choice) -> Iterator[str]:
    if isinstance(choice, Subset):
        yield from (f"{choice.label}/{candidate}" for candidate in choice.candidates)


def _missing(space: str, choice: Choice) -> str:
    condition = choice.only_if
    reason = f" (it matters for {condition.label} in {condition.values})" if condition else ""
    return (
        f"the sample lacks this label of {space}{reason}; "
        f"its candidates are {listed(choice.candidates)}"
    )
