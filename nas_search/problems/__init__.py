"""What is searched for: objectives and bounds, and who evaluates.

TableProblem     a benchmark has recorded the results
SpaceProblem     networks of a space of the model hub, by an evaluator
FiguresProblem   figures of every architecture in a dict
DeclaredProblem  a declared table
nds_problem      a design space of NDS
FunctionProblem  a function of choices, or a loop of one's own
"""

from __future__ import annotations

from nas_search.problems.declared import DeclaredProblem
from nas_search.problems.expectation import Expectation, random_expectation
from nas_search.problems.figures import FiguresProblem
from nas_search.problems.function import FunctionProblem
from nas_search.problems.goals import Bound, Bounds, Goals, Objective
from nas_search.problems.nds import nds_problem
from nas_search.problems.problem import Evaluator, Outcome, Problem, Report
from nas_search.problems.service_training import ServiceTraining
from nas_search.problems.space import SpaceProblem
from nas_search.problems.table import TableProblem

__all__ = [
    "Bound",
    "Bounds",
    "DeclaredProblem",
    "Evaluator",
    "Expectation",
    "FiguresProblem",
    "FunctionProblem",
    "Goals",
    "Objective",
    "Outcome",
    "Problem",
    "Report",
    "ServiceTraining",
    "SpaceProblem",
    "TableProblem",
    "nds_problem",
    "random_expectation",
]
