"""The keys that a specification may have, and their line numbers in a TOML file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Self

from benchmark_spec.published import PUBLISHED
from nas_search.errors import ProblemError
from nas_search.problems.goals import check_known
from nas_search.strategies.registry import STRATEGIES
from nas_search.study.budget import Budget
from nas_search.study.stopping import RULES

__all__ = ["DECLARED", "NDS", "NETWORKS", "PARTS", "TABLE", "KeyLines", "check_keys", "read_toml"]

PARTS: Final = ("problem", "strategy", "budget")
_RULE: Final = "stop"
"""The optional table: a rule that stops trainings early."""
TABLE: Final[tuple[str, ...]] = (
    *("benchmark", "dataset", "num_epochs", "objectives", "bounds", "fidelities", "run_seed"),
    *("evaluation_time", "continue_training", "free_repeats", "reference"),
)
"""Arguments of `TableProblem`, and the reference point of a study."""

DECLARED: Final[tuple[str, ...]] = (
    *("benchmark", "dataset", "num_epochs", "part", "objectives", "bounds", "free_repeats"),
    "reference",
)
"""Arguments of `DeclaredProblem`, those of other axes in `part`, and the reference point."""

NDS: Final[tuple[str, ...]] = (
    *("benchmark", "proposer", "dataset", "generator", "objectives", "bounds", "reference"),
    "steps_per_epoch",
)
"""Arguments of `nds_problem`, and the reference point."""

NETWORKS: Final[tuple[str, ...]] = (
    *("space", "arguments", "dataset", "protocol", "fractions", "recipe", "trainer", "proxies"),
    *("seed", "device", "checkpoints", "jobs", "objectives", "bounds", "fidelities", "reference"),
)
"""Keys of a problem on trained or scored networks; with `jobs`, a service trains them."""

_HEADER: Final = re.compile(r"\s*\[\s*([\w-]+)\s*\]")
_KEY: Final = re.compile(r"\s*[\"']?([\w-]+)[\"']?\s*=")
_INNER: Final = re.compile(r"[{,]\s*[\"']?([\w-]+)[\"']?\s*=")


@dataclass(frozen=True, slots=True)
class KeyLines:
    """The line numbers of the keys of a TOML file, which `tomllib` does not give.

    It finds table headers of a single name, keys at the beginning of a line, and keys of inline
    tables. A specification has no others.

    Args:
        file: The name of the file, for messages.
        lines: The line of each key by its path, from 1.
    """

    file: str
    lines: Mapping[tuple[str, ...], int]

    @classmethod
    def of(cls, file: str, text: str) -> Self:
        """Find the lines of the keys in the text of a file."""
        lines: dict[tuple[str, ...], int] = {}
        part, key = "", ""
        for number, line in enumerate(text.splitlines(), start=1):
            if header := _HEADER.match(line):
                part, key = header[1], ""
                lines.setdefault((part,), number)
                continue
            if found := _KEY.match(line):
                key = found[1]
                lines.setdefault((part, key) if part else (key,), number)
            for inner in _INNER.finditer(line):
                lines.setdefault((part, key, inner[1]), number)
        return cls(file, lines)

    def place(self, *path: str) -> str:
        """Return the prefix of a message about a key: the file, and the line if known."""
        line = self.lines.get(path)
        return f"{self.file}: " if line is None else f"{self.file}, line {line}: "


def read_toml(file: Path) -> tuple[dict[str, Any], KeyLines]:
    """Read a TOML file; return its content and the lines of its keys.

    Raises:
        ProblemError: The file is no TOML.
        OSError: The file cannot be read.
    """
    try:
        text = file.read_text("utf-8")
        return tomllib.loads(text), KeyLines.of(str(file), text)
    except (ValueError, RecursionError) as error:
        raise ProblemError(f"{file} is no TOML: {error}") from error


def check_keys(content: Mapping[str, Any], lines: KeyLines) -> None:
    """Raise on unknown keys, with their line and similar names.

    Raises:
        ProblemError: A key is unknown, or a table is missing.
    """
    _check(lines, (), "table", content, (*PARTS, _RULE))
    for part in PARTS:
        if not isinstance(content.get(part), dict):
            raise ProblemError(f"{lines.file} has no table [{part}]")
    problem, strategy = content["problem"], content["strategy"]
    if "space" in problem and "benchmark" in problem:
        raise ProblemError(
            f"{lines.place('problem', 'space')}a problem has a benchmark or a space, not both"
        )
    what, known = "argument of the problem", NETWORKS if "space" in problem else TABLE
    if problem.get("benchmark") == "nds":
        known = NDS
    elif "benchmark" in problem and str(problem["benchmark"]) not in PUBLISHED:
        what, known = "argument of a problem on a declared table", DECLARED
    if "space" not in problem and "benchmark" not in problem:
        known = tuple(dict.fromkeys((*TABLE, *NETWORKS)))
    _check(lines, ("problem",), what, problem, known)
    if isinstance(recipe := problem.get("recipe"), dict):
        # Imported here: searches on tables need no spaces.
        from nas_search.recipe import Recipe

        known_fields = ["name", *(field.name for field in fields(Recipe))]
        _check(lines, ("problem", "recipe"), "field of a recipe", recipe, known_fields)
    name = strategy.get("name")
    kind = STRATEGIES.get(name) if isinstance(name, str) else None
    if kind is not None:
        settings = ["name", *(field.name for field in fields(kind) if field.init)]
        _check(lines, ("strategy",), f"setting of {kind.name}", strategy, settings)
    elif "name" in strategy:
        place = lines.place("strategy", "name")
        near = get_close_matches(str(name), STRATEGIES, n=3) or list(STRATEGIES)
        raise ProblemError(f"{place}unknown strategy {name!r:.80}; is it {', '.join(near)}?")
    _check_rule(content, lines)
    limits = [field.name for field in fields(Budget)]
    _check(lines, ("budget",), "limit", content["budget"], limits)


def _check_rule(content: Mapping[str, Any], lines: KeyLines) -> None:
    rule = content.get(_RULE, {})
    if not isinstance(rule, dict):
        raise ProblemError(f"{lines.file}: [{_RULE}] needs the name of a rule and its arguments")
    kind = RULES.get(str(rule.get("name")))
    if kind is not None:
        arguments = ["name", *(field.name for field in fields(kind))]
        _check(lines, (_RULE,), f"argument of {kind.__name__}", rule, arguments)


def _check(
    lines: KeyLines, path: tuple[str, ...], what: str, names: Iterable[str], known: Sequence[str]
) -> None:
    for name in names:
        try:
            check_known(what, [name], known)
        except ProblemError as error:
            raise ProblemError(f"{lines.place(*path, name)}{error}") from None
