"""What `nbs doctor` finds, and how it is told.

A check is a generator of findings; none changes anything, and one that fails is a finding itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal

from bench_client.untrusted import cleaned
from service.cli.output import wrapped

__all__ = ["Finding", "note", "ok", "print_findings", "problem", "tried"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """What a check found.

    Attributes:
        about: What was looked at.
        state: `ok`, `note` for what may be as it should, `problem` for what is wrong.
        says: What was found, a sentence or a value.
        remedy: What to do; empty where nothing is to be done.
    """

    about: str
    state: Literal["ok", "note", "problem"]
    says: str
    remedy: str = ""


ok = partial(Finding, state="ok")
note = partial(Finding, state="note")
problem = partial(Finding, state="problem")


def print_findings(found: list[Finding]) -> None:
    """Print a line a finding, and below it what to do."""
    width = max(len(finding.about) for finding in found)
    for finding in found:
        before = f"{finding.state:<8} {cleaned(finding.about):<{width}}  "
        sys.stdout.write(f"{wrapped(cleaned(finding.says), before)}\n")
        if finding.remedy:
            before = f"{'':<{len(before)}}→ "
            sys.stdout.write(f"{wrapped(cleaned(finding.remedy), before)}\n")
    problems = sum(finding.state == "problem" for finding in found)
    sys.stdout.write(f"{problems or 'no'} problem{'' if problems == 1 else 's'}\n")


def tried(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Yield what a check finds; that it could not be made is a finding, too."""
    try:
        yield from check()
    except Exception as error:  # noqa: BLE001 - the other checks still have something to say
        yield problem(
            about=name, says=f"could not be checked: {str(error) or type(error).__name__}"
        )
