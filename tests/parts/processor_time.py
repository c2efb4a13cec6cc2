"""The option --processor-time=N prints the N test files that took the most processor time.

Time by the clock says little on a machine that has other work to do. Counted is what the process of
the tests used itself and what its children used that have ended; a server counts where it ends.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest

__all__ = [
    "pytest_addoption",
    "pytest_runtest_logreport",
    "pytest_runtest_makereport",
    "pytest_terminal_summary",
]

OPTION: Final = "--processor-time"
LOG: Final = "--processor-time-log"

_last: list[float] = [0.0]
_by_file: Counter[str] = Counter()
_log: list[str] = []


def _used() -> float:
    """Return the seconds that this process and its children used since the last call."""
    now = sum(os.times()[:4])
    used = now - _last[0]
    _last[0] = now
    return used


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption(OPTION, type=int, default=0, metavar="N", help="print the N costliest files")
    parser.addoption(LOG, default=None)


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
    _log.append(f"{report.when}\t{seconds:.2f}\t{report.duration:.2f}\t{report.nodeid}\n")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the files that used the most."""
    log = terminalreporter.config.getoption(LOG)
    if log:
        Path(log).write_text("".join(_log))
    count = terminalreporter.config.getoption(OPTION)
    if count:
        total = sum(_by_file.values())
        terminalreporter.section(f"processor time by file, {total:.1f} s in all")
        for name, seconds in _by_file.most_common(count):
            terminalreporter.write_line(f"{seconds:8.1f} s  {name}")
