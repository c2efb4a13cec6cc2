"""Writes the measurements of searching.py and their plot into docs/performance.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

__all__ = ["write_report"]

_DOCS = Path(__file__).resolve().parents[1] / "docs"
_BEGIN, _END = "<!-- searching: written by benchmarks/searching.py -->\n", "<!-- end -->\n"


def write_report(rows: Sequence[tuple[str, str, str]], rates: Mapping[str, float]) -> None:
    """Replace the table and the plot between the two markers of docs/performance.md.

    Args:
        rows: What was measured, the figure and the goal.
        rates: Answers a second, by the name of what was measured.

    Raises:
        ValueError: The page lacks a marker.
    """
    page = _DOCS / "performance.md"
    before, begin, rest = page.read_text().partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{page.name} lacks the marker {_BEGIN.strip()} or {_END.strip()}")
    table = "".join(f"| {what} | {measured} | {reach} |\n" for what, measured, reach in rows)
    head = "| what | measured | goal |\n|---|---|---|\n"
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
