from __future__ import annotations

import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench_client import Trajectory, TrajectoryPoint
from missing_extra import install_command
from nas_search import Budget, FunctionProblem, Study
from nas_search.strategies import GridSearch
from nas_search.study import (
    PlotError,
    RecordedRun,
    RegretBand,
    StudyFile,
    plot_front,
    plot_regret,
    regret_bands,
)

RunOf = Callable[..., RecordedRun]


@pytest.fixture
def bands(run_of: RunOf) -> list[RegretBand]:
    runs = [run_of((1.0 + seed, 90.0 + seed), (50.0, 94.0), seed=seed) for seed in range(3)]
    return regret_bands([*runs, run_of((2.0, 94.5), strategy="evolution & co")])


def test_a_png_has_pixels(bands: list[RegretBand], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = tmp_path / "regret.png"
    plot_regret(bands, path)
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    assert width > height > 100


def test_an_svg_is_well_formed_and_the_same_every_time(
    bands: list[RegretBand], tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    first, second = tmp_path / "first.svg", tmp_path / "second.SVG"
    plot_regret(bands, first)
    plot_regret(bands, second)
    assert ET.parse(first).getroot().tag.endswith("svg")  # noqa: S314 - written just above
    assert "evolution &amp; co (1 run)" in first.read_text()
    assert "random search (3 runs)" in first.read_text()
    assert first.read_bytes() == second.read_bytes()


def test_times_without_values_are_left_open(run_of: RunOf, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    plot_regret(regret_bands([run_of((9.0, 90.0))], times=[1.0, 10.0, 1e6]), tmp_path / "r.png")
    assert (tmp_path / "r.png").stat().st_size > 0


def test_axes_of_ones_own_are_drawn_into_with_logarithmic_scales(
    bands: list[RegretBand], tmp_path: Path
) -> None:
    figure = pytest.importorskip("matplotlib.figure").Figure()
    left, right = figure.subplots(1, 2)
    assert plot_regret(bands, ax=left, log_time=True, log_regret=True) is left
    assert (left.get_xscale(), left.get_yscale()) == ("log", "log")
    assert len(left.get_lines()) == len(bands) == 2
    assert plot_regret(bands, ax=right) is right
    assert (right.get_xscale(), right.get_yscale()) == ("linear", "linear")
    with pytest.raises(ValueError, match="give one of them"):
        plot_regret(bands, tmp_path / "r.png", ax=left)
    axes = figure.add_subplot()
    with searched(["gain", "-size"]) as study:
        assert plot_front(study, ax=axes) is axes
    assert list(tmp_path.iterdir()) == []


def test_a_trajectory_is_drawn_as_the_best_so_far() -> None:
    axes = pytest.importorskip("matplotlib.figure").Figure().subplots()
    points = [TrajectoryPoint(1.0, 70.0, None), TrajectoryPoint(10.0, 90.0, 90.0)]
    drawn = Trajectory(points, metric="valid_acc").plot(ax=axes, log_time=True, label="mine")
    assert drawn is axes
    (line,) = axes.get_lines()
    assert (axes.get_xscale(), axes.get_yscale(), line.get_label()) == ("log", "linear", "mine")
    assert axes.get_ylabel() == "best valid_acc so far"
    assert str(line.get_ydata()[0]) == "nan"
    assert line.get_ydata()[1] == 90.0


def test_without_a_file_a_new_figure_is_drawn_for_the_notebook(bands: list[RegretBand]) -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("agg")
    try:
        assert plot_regret(bands).figure is pyplot.gcf()
    finally:
        pyplot.close("all")


@pytest.mark.parametrize("name", ["regret.pdf", "regret", "regret.png.txt"])
def test_another_format_is_refused(bands: list[RegretBand], tmp_path: Path, name: str) -> None:
    with pytest.raises(PlotError, match=r"drawn as \.png or \.svg"):
        plot_regret(bands, tmp_path / name)


def test_comparing_does_not_load_matplotlib_and_drawing_names_the_extra(tmp_path: Path) -> None:
    program = f"""
import sys
import nas_search.study as study
assert not any(name.startswith(("matplotlib", "numpy", "torch")) for name in sys.modules)
sys.modules["matplotlib"] = None  # as if it were not installed
try:
    study.plot_regret([], {str(tmp_path / "r.png")!r})
except study.PlotError as error:
    print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert install_command("study") in run.stdout


def searched(objectives: list[str], path: Path | None = None, least: float = 0) -> Study:
    """Four trials, of which three are a front and one is beyond a bound of 5."""
    problem = FunctionProblem(
        {"x": [1, 2, 3, 9]},
        lambda sample: {"gain": 10 * sample["x"], "size": sample["x"]},
        objectives=objectives,
        bounds={"size": (least, 5)},
    )
    study = Study(path, problem, GridSearch())
    study.run(Budget(trials=4))
    return study


def test_a_front_is_drawn_of_a_study_and_of_its_file_alike(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    with searched(["gain", "-size"], tmp_path / "s.study") as study:
        plot_front(study, tmp_path / "study.svg")
    plot_front(StudyFile(tmp_path / "s.study"), tmp_path / "file.svg")
    drawn = (tmp_path / "study.svg").read_text()
    assert ET.fromstring(drawn).tag.endswith("svg")  # noqa: S314 - written just above
    assert all(f"<!-- {text} -->" in drawn for text in ("3 trials", "front, 3 of them"))
    assert all(f"<!-- {text} -->" in drawn for text in ("gain", "size"))
    assert (tmp_path / "file.svg").read_text() == drawn


def test_a_front_of_one_objective_or_of_no_trials_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PlotError, match="two objectives; this study has 1"):
        plot_front(searched(["gain"]), tmp_path / "f.svg")
    with pytest.raises(PlotError, match="no trial is within the bounds"):
        plot_front(searched(["gain", "-size"], least=4), tmp_path / "f.svg")
    assert list(tmp_path.iterdir()) == []
