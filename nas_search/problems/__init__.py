"""Search problems: objectives, bounds, and how architectures are evaluated.

TableProblem     recorded results of a published benchmark
SpaceProblem     networks of a search space of the model hub, measured by an evaluator
FiguresProblem   metrics of every architecture in a dict
DeclaredProblem  recorded results of a declared table
nds_problem      recorded results of a design space of NDS
FunctionProblem  a Python function of choices, or an ask-and-tell loop
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
