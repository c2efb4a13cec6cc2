"""Makes docs/first-search.ipynb and the page of it, with what its cells give out.

    nbs sample raw --convert data && nbs serve --data data &
    python docs/make_notebook.py

Cells are run in order, as Jupyter would, against the service at $NASBENCH_URL. A test does the same
and compares what is given out with what stands in the notebook, so that it never shows what is not
so.
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

Start a service with made-up figures by `make serve`, and download
[this notebook](first-search.ipynb), or read on: what stands below the cells is what they gave out.
All accuracies here are **made up**.

```python
from bench_client import BenchClient

bench = BenchClient()  # http://127.0.0.1:8000, or $NASBENCH_URL
bench.query_nb201(11, 200, "cifar100")
```

An answer is a list that shows itself as a table, with units. `None` and an empty cell mean "not
recorded".

## Many architectures as a data frame

Two thousand architectures, the mean over the runs of each. Runs come in columns, of which a
frame is made at once.

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

A simulation charges what each training took when it was recorded, and ends when the budget is
spent.

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

Strategies, budgets and the other problems are explained in [Search](searching.md).

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
    """Return the cells of the notebook, not run."""
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
    """Run the cells of code in order, and put what they give out into each."""
    plt.switch_backend("agg")
    names: dict[str, Any] = {}
    count = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that figures are made up is said above
        for cell in notebook:
            if cell["cell_type"] == "code":
                count += 1
                cell["execution_count"] = count
                cell["outputs"] = _given_out("".join(cell["source"]), names, count)
    names["bench"].close()


def _given_out(source: str, names: dict[str, Any], count: int) -> list[dict[str, Any]]:
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
    # Styles have no place in the guide; a frame of pandas brings some.
    return forms if html is None or "<style" in html else {**forms, "text/html": html}


def page_of(notebook: list[Cell]) -> str:
    """Return a notebook that was run as the text of its page."""
    lines = [f"<!-- Made by {_SOURCE}; changes belong there. -->"]
    pictures = 0
    for cell in notebook:
        source = "".join(cell["source"])
        lines.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        for output in cell.get("outputs", ()):
            data = output.get("data", {"text/plain": output.get("text", "").rstrip()})
            if "image/png" in data:
                pictures += 1
                lines.append(f"![what the cell draws]({PAGE.stem}-{pictures}.png)")
            elif "text/html" in data:
                lines.append(data["text/html"])
            else:
                lines.append(f"```text\n{data['text/plain']}\n```")
    return "\n\n".join(lines) + "\n"


def pictures_of(notebook: list[Cell]) -> dict[str, bytes]:
    """Return the pictures of a page, by the names of their files."""
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
