"""The notebook of the guide gives out what stands in it."""

from __future__ import annotations

import importlib.util
import json
import math
import re
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

REPOSITORY: Final = Path(__file__).resolve().parents[2]
NUMBER: Final = re.compile(r"-?\d+(?:\.\d+)?")

pytestmark = pytest.mark.usefixtures("unmeasured")


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    pytest.importorskip("matplotlib")
    path = REPOSITORY / "docs/make_notebook.py"
    spec = importlib.util.spec_from_file_location("make_notebook", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def written(maker: ModuleType) -> Any:
    return json.loads(maker.NOTEBOOK.read_text())["cells"]


def texts(cell: Any) -> list[str]:
    """Return what a cell gave out, but for what pictures look like."""
    found = []
    for output in cell.get("outputs", ()):
        data = output.get("data", {"text/plain": output.get("text")})
        found += [f"{form}: {text if 'image' not in form else ''}" for form, text in data.items()]
    return found


def test_every_cell_gives_out_what_stands_below_it(
    maker: ModuleType,
    written: Any,
    serving: Any,
    whole_sample: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("pandas")
    again = maker.cells()
    with serving(whole_sample) as url:
        monkeypatch.setenv("NASBENCH_URL", url)
        maker.run(again)
    assert [cell["source"] for cell in again] == [cell["source"] for cell in written]
    for made, stands in zip(again, written, strict=True):
        assert len(texts(made)) == len(texts(stands))
        for one, other in zip(texts(made), texts(stands), strict=True):
            # Another processor may round the last digit otherwise.
            assert NUMBER.sub("#", one) == NUMBER.sub("#", other)
            pairs = zip(NUMBER.findall(one), NUMBER.findall(other), strict=True)
            assert all(math.isclose(float(a), float(b), rel_tol=1e-4) for a, b in pairs)
    assert sum(len(texts(cell)) > 0 for cell in written) >= 7


def test_the_page_and_its_pictures_are_those_of_the_notebook(
    maker: ModuleType, written: Any
) -> None:
    assert maker.page_of(written) == maker.PAGE.read_text()
    pictures = maker.pictures_of(written)
    assert len(pictures) == 3
    for name, content in pictures.items():
        assert (maker.FOLDER / name).read_bytes() == content
        assert content.startswith(b"\x89PNG")
