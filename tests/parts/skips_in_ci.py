"""Where CI=true, a skipped test has failed, unless CI cannot have what it needs."""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from typing import Final, TypeVar

import pytest

__all__ = ["pytest_make_collect_report", "pytest_runtest_makereport"]

# What no fresh clone has: the real samples beside it, a CUDA device, a compiler; nor may every
# container mount a disk.
ALLOWED: Final = re.compile(r"\.\./shared|shared/|real archive|CUDA|may not mount|compiler")

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def _judged(report: Report) -> Report:
    if os.environ.get("CI") != "true" or not report.skipped or hasattr(report, "wasxfail"):
        return report
    where = report.longrepr
    reason = where[2] if isinstance(where, tuple) else str(where)
    if not ALLOWED.search(reason):
        report.outcome = "failed"
        report.longrepr = f"CI=true allows no test to skip. {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that skipped."""
    return _judged((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a module that skipped."""
    return _judged((yield))
