"""Writes what was measured into docs/performance.md, with a plot beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

__all__ = ["write_report"]

_DOCS = Path(__file__).resolve().parents[1] / "docs"
_BEGIN, _END = "<!-- searching: written by benchmarks/searching.py -->\n", "<!-- end -->\n"


def write_report(rows: Sequence[tuple[str, str, str]], rates: Mapping[str, float]) -> None:
    """Put a table and a plot into the page of measurements.

    Args:
        rows: What was measured, the figure, what was to be reached.
        rates: Answers a second, by who gives them.

    Raises:
        ValueError: The page has no place for them.
    """
    page = _DOCS / "performance.md"
    before, begin, rest = page.read_text().partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{page.name} has no place between {_BEGIN.strip()} and {_END.strip()}")
    table = "".join(f"| {what} | {measured} | {reach} |\n" for what, measured, reach in rows)
    head = "| what | measured | to reach |\n|---|---|---|\n"
    plot = "![answers a second, side by side](searching.svg)\n"
    page.write_text(f"{before}{begin}{head}{table}\n{plot}{end}{after}")
    _plot(rates, _DOCS / "searching.svg")


def _plot(rates: Mapping[str, float], path: Path) -> None:
    names = sorted(rates, key=rates.__getitem__)
    with mpl.rc_context({"svg.hashsalt": "searching", "svg.fonttype": "none"}):
        figure = Figure(figsize=(8, 0.45 * len(names) + 1), layout="constrained")
        axes = figure.subplots()
        labels = [name.replace("`", "") for name in names]
        bars = axes.barh(labels, [rates[name] for name in names], color="#4477aa")
        axes.bar_label(bars, [f"{rates[name]:,.0f}" for name in names], padding=4)
        axes.set_xscale("log")
        axes.set_xlabel("answers a second, one architecture each")
        axes.margins(x=0.2)
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, metadata={"Date": None})
