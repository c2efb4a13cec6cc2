"""The specification of a plan's table, a declared table over the space of the plan."""

from __future__ import annotations

from typing import Final

from benchmark_spec import Axis, BenchmarkSpec, Label, Stat
from nas_search.plans.selection import Selection

__all__ = ["FIGURES", "table_of"]

_STATS: Final = (
    Stat(
        name="valid_acc",
        unit="percent",
        better="larger",
        description="Accuracy on the validation part after the last epoch.",
        example=97.5,
    ),
    Stat(
        name="valid_loss",
        unit="cross-entropy",
        better="smaller",
        description="Loss on the validation part after the last epoch.",
        example=0.08,
    ),
    Stat(
        name="train_acc",
        unit="percent",
        better="larger",
        description="Accuracy on the training part during the last epoch.",
        example=99.0,
    ),
    Stat(
        name="train_loss",
        unit="cross-entropy",
        better="smaller",
        description="Loss on the training part during the last epoch.",
        example=0.03,
    ),
    Stat(
        name="training_time",
        unit="seconds",
        better="smaller",
        description="All epochs with their evaluations, on the device that the ledger names; null "
        "where another training had the device at the same time.",
        example=3.5,
    ),
    Stat(
        name="parameters",
        unit="millions",
        better="smaller",
        description="Trainable parameters.",
        example=0.02,
    ),
    Stat(
        name="flops",
        unit="millions",
        better="smaller",
        description="Multiply-adds of one input.",
        example=0.5,
    ),
)
_SEEDS: Final = Stat(
    name="seeds",
    unit="count",
    better="larger",
    description="Runs of this architecture and budget that are there and did not diverge: over so "
    "many a mean is taken, and `min_seeds` in a question demands some.",
    example=3.0,
)
_DIVERGED: Final = Stat(
    name="diverged_at",
    unit="count",
    better="larger",
    description="Epoch in which the loss was no finite number any more; null where it always was. "
    "What diverged has no accuracy and no loss, so that it is in no ranking by them.",
)
_TRAINED_AS: Final = Stat(
    name="trained_as",
    unit="count",
    better="smaller",
    description="Index of the architecture that computes the same and was trained; its figures are "
    "those of this run.",
)

FIGURES: Final[tuple[str, ...]] = tuple(stat.name for stat in _STATS)
"""The statistics of a finished cell, in the order of the table."""


def table_of(selection: Selection) -> BenchmarkSpec:
    """Return the specification of the table that a plan makes.

    Raises:
        SpecError: A text of the plan is not allowed in a specification.
    """
    plan = selection.plan
    fixed = ", ".join(f"{label} = {value}" for label, value in selection.fixed.items())
    notes = [
        f"Measured here by the plan {plan.name} ({plan.digest}), not published.",
        f"Networks of {plan.space} trained on {plan.data}; protocol {plan.protocol_digest}.",
        f"Choices in order: {', '.join(selection.places)}." if selection.places else "",
        f"Choices that are fixed: {fixed}." if fixed else "",
    ]
    return BenchmarkSpec(
        name=plan.name,
        title=plan.title,
        citation=plan.citation,
        licence=plan.licence,
        space=selection.table_space,
        notes=tuple(note[:2_000] for note in notes if note),
        axes=(
            Axis(
                name="num_epochs",
                values=tuple(sorted(plan.epochs)),
                description="Training budget; each has a schedule of its own.",
                unit="epochs",
            ),
        ),
        label=Label(name="seed", description="What weights, order and augmentation are drawn by."),
        stats=(*_STATS, _SEEDS, _DIVERGED, *((_TRAINED_AS,) if plan.unique else ())),
    )
