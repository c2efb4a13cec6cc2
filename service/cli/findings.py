"""Findings of `nbs doctor`, and how they are printed.

A check is a generator of findings. Checks change nothing; a check that raises becomes a finding.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

from bench_client.untrusted import cleaned
from service.cli.output import wrapped

__all__ = ["Finding", "note", "ok", "print_findings", "problem", "run_check"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A finding of a check.

    Attributes:
        about: The checked item.
        state: `ok`, `note` for what may be intended, or `problem`.
        says: The finding, as a sentence or value.
        remedy: What to do about it; empty if nothing.
    """

    about: str
    state: Literal["ok", "note", "problem"]
    says: str
    remedy: str = ""


ok = partial(Finding, state="ok")
note = partial(Finding, state="note")
problem = partial(Finding, state="problem")


def print_findings(found: list[Finding]) -> None:
    """Print a line per finding, and its remedy below it."""
    width = max(len(finding.about) for finding in found)
    for finding in found:
        before = f"{finding.state:<8} {cleaned(finding.about):<{width}}  "
        sys.stdout.write(f"{wrapped(cleaned(finding.says), before)}\n")
        if finding.remedy:
            before = f"{'':<{len(before)}}→ "
            sys.stdout.write(f"{wrapped(cleaned(finding.remedy), before)}\n")
    problems = sum(finding.state == "problem" for finding in found)
    sys.stdout.write(f"{problems or 'no'} problem{'' if problems == 1 else 's'}\n")


def run_check(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Yield the findings of a check; an exception becomes a finding."""
    try:
        yield from check()
    except Exception as error:  # noqa: BLE001 - the other checks must still run
        yield problem(
            about=name, says=f"could not be checked: {str(error) or type(error).__name__}"
        )
