"""Searches written down: problem, strategy and budget as a TOML file has them.

    specification = Specification.read("search.toml")
    with Study("search.study", specification.make_problem(bench), …) as study: …

`nbs search run` is the command for it.
"""

from __future__ import annotations

from nas_search.specification.specification import Specification

__all__ = ["Specification"]
