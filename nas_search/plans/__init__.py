"""Plans for new benchmarks: the plan file, the selected architectures, and the estimated cost.

PyTorch is not imported. The server carries plans out (`service.plans`); the command line checks
them with this package.

Plan, read_plan, plan_of
                    the validated plan file, with its canonical form and digest
Selection           the architectures that a plan selects, and those that are trained
Cells               numbered combinations of architecture, seed and budget
table_of            the specification of the table that a plan makes
Estimate, fit_seconds
                    worker time, from a model fitted to a few trainings
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
