"""Plans of benchmarks to be made: the file, what it selects, and what it would cost.

Needs no PyTorch. The server runs plans (`service.plans`); the command line checks them here.

Plan, read_plan, plan_of
                    the plan file, validated; its canonical form and digest
Selection           the architectures that a plan selects, and those that are trained
Cells               one architecture, seed and budget each, by number
table_of            the description of the table that a plan makes
Estimate, fit_seconds
                    worker seconds, fitted to what a few trainings took
"""

from nas_search.plans.cells import Cell, CellMap, Cells
from nas_search.plans.estimate import (
    CostModel,
    Estimate,
    Timing,
    estimate,
    fit_seconds,
    pilot_positions,
)
from nas_search.plans.file import Plan, PlanError, plan_of, read_plan
from nas_search.plans.selection import Selection
from nas_search.plans.table import FIGURES, table_of

__all__ = [
    "FIGURES",
    "Cell",
    "CellMap",
    "Cells",
    "CostModel",
    "Estimate",
    "Plan",
    "PlanError",
    "Selection",
    "Timing",
    "estimate",
    "fit_seconds",
    "pilot_positions",
    "plan_of",
    "read_plan",
    "table_of",
]
