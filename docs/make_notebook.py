"""Generates docs/first-search.ipynb with the outputs of its cells, and its page for the guide.

    nbs sample raw --convert data && nbs serve --data data &
    python docs/make_notebook.py

The cells run in order, as in Jupyter, against the service at $NASBENCH_URL. A test does the same
and compares the outputs with those in the notebook, so that the notebook stays correct.
"""

from __future__ import annotations

import ast
import base64
import contextlib
import io
import json
import warnings
from pathlib import Path
from typing import Any, Final, TypeAlias

from matplotlib import pyplot as plt

FOLDER: Final = Path(__file__).resolve().parent
NOTEBOOK: Final = FOLDER / "first-search.ipynb"
PAGE: Final = FOLDER / "first-search.md"
_DOTS_AN_INCH: Final = 80
_SOURCE: Final = "docs/make_notebook.py"

Cell: TypeAlias = dict[str, Any]

_CELLS: Final = """
# A first search, as a notebook

Start a service with synthetic figures by `make serve` and download
[this notebook](first-search.ipynb), or read on: the output of each cell is shown below it.
All accuracies here are **synthetic**.

```python
from bench_client import BenchClient

bench = BenchClient()  # http://127.0.0.1:8000, or $NASBENCH_URL
bench.query_nb201(11, 200, "cifar100")
```

A result is a list that a notebook displays as a table, with units. `None` and an empty cell mean
"not recorded".

## Many architectures as a data frame

This query returns two thousand architectures, each with the mean over its runs. The result
consists of columns, so it converts to a data frame without a loop over rows.

```python
found = bench.query_many(
    "nasbench201", range(2000), num_epochs=200, dataset="cifar100", reduction="mean"
)
frame = found.to_pandas()
frame[["index", "num_runs", "test_acc", "flops"]].head()
```

```python
frame.groupby(frame.flops.round(-1)).test_acc.max().tail()
```

```python
_ = frame.plot.scatter("flops", "test_acc", s=3, figsize=(6, 3.5))
```

## A search of your own

A simulation charges the recorded duration of each training and ends when the budget is spent.

```python
from bench_client import BudgetExhausted

simulation = bench.simulate("nasbench201", "cifar10-valid", 12, budget=30_000)
try:
    for arch in bench.random("nasbench201", n=500, seed=1):
        simulation.evaluate(arch.arch_str)
except BudgetExhausted:
    print(len(simulation.evaluations), "evaluations")
simulation.trajectory.to_pandas().tail(3)
```

```python
_ = simulation.trajectory.plot(log_time=True)
```

## Two strategies compared

[Search](searching.md) explains strategies, budgets and other problems.

```python
from nas_search import Budget, Study, TableProblem
from nas_search.strategies import RandomSearch, RegularizedEvolution
from nas_search.study import plot_regret, regret_bands

problem = TableProblem(bench, "nasbench201", "cifar10-valid", num_epochs=12)
runs = []
for seed in range(3):
    for name, strategy in {
        "random": RandomSearch(seed=seed),
        "evolution": RegularizedEvolution(population_size=20, sample_size=5, seed=seed),
    }.items():
        with Study(None, problem, strategy) as study:
            study.run(Budget(trials=80))
            runs.append(study.to_run(oracle=problem.optimum(), name=name))
bands = regret_bands(runs)
{band.strategy: round(band.median[-1], 3) for band in bands}
```

```python
from matplotlib import pyplot as plt

fig, axes = plt.subplots(1, 2, figsize=(9, 4.5), layout="constrained")
for ax, log in zip(axes, (False, True), strict=True):
    plot_regret(bands, ax=ax, log_time=log, log_regret=log)
```
"""


def cells() -> list[Cell]:
    """Return the cells of the notebook, without outputs."""
    found: list[Cell] = []
    for place, text in enumerate(_CELLS.replace("```python\n", "```").split("```")):
        if not text.strip():
            continue
        kind = "code" if place % 2 else "markdown"
        cell: Cell = {"cell_type": kind, "id": f"cell-{len(found)}", "metadata": {}}
        cell["source"] = text.strip().splitlines(keepends=True)
        if kind == "code":
            cell |= {"execution_count": None, "outputs": []}
        found.append(cell)
    return found


def run(notebook: list[Cell]) -> None:
    """Run the code cells in order and store their outputs in them."""
    plt.switch_backend("agg")
    names: dict[str, Any] = {}
    count = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the notebook already says that its figures are synthetic
        for cell in notebook:
            if cell["cell_type"] == "code":
                count += 1
                cell["execution_count"] = count
                cell["outputs"] = _outputs("".join(cell["source"]), names, count)
    names["bench"].close()


def _outputs(source: str, names: dict[str, Any], count: int) -> list[dict[str, Any]]:
    tree = ast.parse(source)
    last = tree.body[-1]
    said = io.StringIO()
    value = None
    with contextlib.redirect_stdout(said):
        if isinstance(last, ast.Expr):
            before = ast.Module(tree.body[:-1], type_ignores=[])
            exec(compile(before, "cell", "exec"), names)  # noqa: S102 - the cells above
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)  # noqa: S307
        else:
            exec(compile(tree, "cell", "exec"), names)  # noqa: S102
    outputs: list[dict[str, Any]] = []
    if said.getvalue():
        outputs.append({"output_type": "stream", "name": "stdout", "text": said.getvalue()})
    if value is not None:
        result = {"output_type": "execute_result", "execution_count": count, "metadata": {}}
        outputs.append({**result, "data": _forms(value)})
    for number in plt.get_fignums():
        picture = io.BytesIO()
        plt.figure(number).savefig(picture, dpi=_DOTS_AN_INCH)
        data = {"image/png": base64.b64encode(picture.getvalue()).decode()}
        outputs.append({"output_type": "display_data", "data": data, "metadata": {}})
    plt.close("all")
    return outputs


def _forms(value: Any) -> dict[str, str]:
    forms = {"text/plain": repr(value)}
    html = value._repr_html_() if hasattr(value, "_repr_html_") else None
    # A pandas data frame contains style elements, which would affect the whole page.
    return forms if html is None or "<style" in html else {**forms, "text/html": html}


def page_of(notebook: list[Cell]) -> str:
    """Return the text of the page of a notebook that has been run."""
    lines = [f"<!-- Generated by {_SOURCE}; edit that file. -->"]
    pictures = 0
    for cell in notebook:
        source = "".join(cell["source"])
        lines.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        for output in cell.get("outputs", ()):
            data = output.get("data", {"text/plain": output.get("text", "").rstrip()})
            if "image/png" in data:
                pictures += 1
                lines.append(f"![the plot of the cell]({PAGE.stem}-{pictures}.png)")
            elif "text/html" in data:
                lines.append(data["text/html"])
            else:
                lines.append(f"```text\n{data['text/plain']}\n```")
    return "\n\n".join(lines) + "\n"


def pictures_of(notebook: list[Cell]) -> dict[str, bytes]:
    """Return the pictures of the page by file name."""
    outputs = [output.get("data", {}) for cell in notebook for output in cell.get("outputs", ())]
    drawn = [data["image/png"] for data in outputs if "image/png" in data]
    return {
        f"{PAGE.stem}-{number}.png": base64.b64decode(picture)
        for number, picture in enumerate(drawn, 1)
    }


def main() -> None:
    """Write the notebook, its page and the pictures of the page."""
    notebook = cells()
    run(notebook)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    whole = {"cells": notebook, "metadata": {"kernelspec": kernel}}
    text = json.dumps({**whole, "nbformat": 4, "nbformat_minor": 5}, indent=1, ensure_ascii=False)
    NOTEBOOK.write_text(f"{text}\n")
    PAGE.write_text(page_of(notebook))
    for name, picture in pictures_of(notebook).items():
        (FOLDER / name).write_bytes(picture)


if __name__ == "__main__":
    main()
