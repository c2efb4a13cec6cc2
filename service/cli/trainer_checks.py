"""Checks of trainers for `nbs doctor`: the packages that provide them, and whether they import.

Each trainer is imported in a separate process, like in a worker, so that a crash of its module does
not affect the other checks.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Final

from service.cli.findings import Finding, note, ok, problem

__all__ = ["check_trainers"]

_LOADED: Final = "the trainer is loaded"
_LOAD: Final = f"""\
import sys
from nas_search.errors import TrainerError
from nas_search.trainers import TrainerUse, load_trainer
try:
    load_trainer(TrainerUse(name=sys.argv[1]))
except TrainerError as error:
    sys.exit(str(error) if error.__cause__ is None else f"{{error}}: {{error.__cause__}}")
print("\\n{_LOADED}")
"""
_SECONDS: Final = 60.0
_LONGEST: Final = 300
_REINSTALL: Final = "reinstall the package that provides it"


def check_trainers() -> Iterator[Finding]:
    """Yield the installed trainers, and trainers that a worker here offers but are missing."""
    from nas_search.errors import TrainerError
    from nas_search.trainers import installed_trainers
    from service.jobs.settings import JobSettings

    offered = JobSettings().trainer_names
    try:
        installed = installed_trainers()
    except TrainerError as error:
        yield problem(
            about="trainers",
            says=str(error),
            remedy="`pip check` may name the package; install it again, or remove it",
        )
        return
    if not installed and not offered:
        yield ok(about="trainers", says="none of other packages")
    for name in installed:
        yield _finding(name, is_offered=name in offered)
    for name in offered:
        if name not in installed:
            yield problem(
                about=f"trainer {name}",
                says="a worker here offers it, but no package provides it",
                remedy="install its package here, or remove it from $NASBENCH_TRAINERS",
            )


def _finding(name: str, *, is_offered: bool) -> Finding:
    """Return the finding about an installed trainer."""
    from nas_search.errors import TrainerError, TrainerTwiceError
    from nas_search.trainers import trainer_code

    about = f"trainer {name}"
    try:
        code = trainer_code(name)
    except TrainerError as error:
        twice = isinstance(error, TrainerTwiceError)
        remedy = "remove all but one of the packages" if twice else _REINSTALL
        return problem(about=about, says=str(error), remedy=remedy)
    says = f"{code.package} {code.version}, sha256 {code.sha256}"
    wrong = _import_error(name)
    if wrong is not None:
        return problem(
            about=about,
            says=f"{says}; {wrong}",
            remedy=f"install the dependencies of {code.package} here, or fix its code",
        )
    if not is_offered:
        return note(
            about=about,
            says=f"{says}; not offered",
            remedy=f"to offer it: nbs worker --trainer {name}",
        )
    return ok(about=about, says=f"{says}; offered by workers here")


def _import_error(name: str) -> str | None:
    """Return why a trainer cannot be imported; None if it can."""
    # Like `nbs`, without the current folder in the path; no bytecode is written.
    command = [sys.executable, "-P", "-B", "-c", _LOAD, name]
    try:
        told = subprocess.run(  # noqa: S603 - this Python, and a name that a package published
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            text=True,
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"its import takes more than {_SECONDS:.0f} seconds"
    if told.returncode == 0 and told.stdout.endswith(f"\n{_LOADED}\n"):
        return None
    if told.returncode <= 0:
        return f"its import ends the process, with {told.returncode}"
    lines = told.stderr.strip().splitlines() or ["its import ends the process, with 1"]
    return lines[-1][:_LONGEST]
