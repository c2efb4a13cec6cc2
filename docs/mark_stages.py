"""Runs the tests of stage 4 and writes their outcomes to docs/model-hub-stages.json.

    python docs/make_model_hub.py && python docs/mark_stages.py && python docs/make_model_hub.py

The page marks a space with stage 4 if all of its tests passed. Another test fails if the tests of
stage 4, or the code on the page that they run, have changed since the file was written.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

REPOSITORY: Final = Path(__file__).resolve().parents[1]
RESULTS: Final = REPOSITORY / "docs/model-hub-stages.json"
_SEARCHES: Final = "tests/nas_search/test_stage_four.py"
TESTS: Final[Mapping[str, str]] = {
    "RandomSearch": _SEARCHES,
    "RegularizedEvolution": _SEARCHES,
    "Inherited": "tests/nas_search/oneshot/test_searches.py",
}
"""The test file of each kind of search."""
_SPACES: Final = "tests/parts/small_spaces.py"
PAGE: Final = "docs/model-hub.md"
_PROPERTY: Final = "stage 4"


class Outcomes:
    """Pytest plugin that collects the outcome of each test that reports a space and a strategy."""

    def __init__(self) -> None:
        self.spaces: defaultdict[str, dict[str, str]] = defaultdict(dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record the outcome of a test; a failed setup or teardown counts as its failure."""
        for name, value in report.user_properties:
            if name == _PROPERTY:
                space, strategy = str(value).split(" ")
                before = self.spaces[space].get(strategy, "passed")
                self.spaces[space][strategy] = before if report.passed else report.outcome


def digest() -> str:
    """Return the SHA-256 of the tests and of the Python code on the page."""
    snippets = re.findall(r"```python\n(.*?)```", (REPOSITORY / PAGE).read_text("utf-8"), re.DOTALL)
    tests = [(REPOSITORY / test).read_text("utf-8") for test in (*_files(), _SPACES)]
    content = [*tests, *snippets]
    return hashlib.sha256("".join(content).encode()).hexdigest()


def _files() -> list[str]:
    return list(dict.fromkeys(TESTS.values()))


def main() -> int:
    """Run the tests and write the file; return the exit status of the tests."""
    outcomes = Outcomes()
    files = [str(REPOSITORY / test) for test in _files()]
    status = pytest.main(["-q", "-p", "no:cacheprovider", *files], [outcomes])
    spaces = {name: dict(sorted(found.items())) for name, found in sorted(outcomes.spaces.items())}
    results = {"tests": dict(TESTS), "digest": digest(), "spaces": spaces}
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", "utf-8")
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
