"""The option --processor-time=N prints the N test files that took the most processor time.

Time by the clock says little on a machine that has other work to do. Counted is what the process of
the tests used itself and what its children used that have ended, among them those that are forked
by `forked_nbs`; a server counts where it ends.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator
from typing import Final

import pytest
from forked_nbs import processor_seconds

__all__ = [
    "pytest_addoption",
    "pytest_runtest_logreport",
    "pytest_runtest_makereport",
    "pytest_terminal_summary",
]

OPTION: Final = "--processor-time"

_last: list[float] = [0.0]
_by_file: Counter[str] = Counter()


def _used() -> float:
    """Return the seconds that this process and its children used since the last call."""
    now = sum(os.times()[:4]) + processor_seconds()
    used = now - _last[0]
    _last[0] = now
    return used


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption(OPTION, type=int, default=0, metavar="N", help="print the N costliest files")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note at each report what was used since the one before; xdist carries it to the master."""
    report = yield
    report.processor_seconds = _used()
    return report


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add it to what its file used."""
    seconds = getattr(report, "processor_seconds", 0.0)
    _by_file[report.nodeid.partition("::")[0]] += seconds


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the files that used the most."""
    count = terminalreporter.config.getoption(OPTION)
    if count:
        total = sum(_by_file.values())
        terminalreporter.section(f"processor time by file, {total:.1f} s in all")
        for name, seconds in _by_file.most_common(count):
            terminalreporter.write_line(f"{seconds:8.1f} s  {name}")
