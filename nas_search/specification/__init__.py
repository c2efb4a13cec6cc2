"""Searches described by TOML files: problem, strategy and budget.

    specification = Specification.read("search.toml")
    problem = specification.make_problem(bench)
    with Study("search.study", problem, specification.make_strategy(problem)) as study:
        study.run(specification.make_budget())

`nbs search run` is the command for it.
"""

from __future__ import annotations

from nas_search.specification.specification import Specification

__all__ = ["Specification"]
