"""How many cells a device should train at a time: what is chosen, and real trainings timed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from forked_nbs import nbs
from planned import a_plan
from training_jobs import plan_text, write_images

from service.jobs.records import DeviceState
from service.worker.share_pilot import SharingError, best_share, measure_shares

CPU = DeviceState(name="cpu", kind="cpu", model="x", memory=1)
PLAN = plan_text("small", archs=10, epochs=[2, 6])


def taking(seconds: dict[int, float]) -> Callable[[int], float]:
    """Return what an epoch takes with so many at a time; more than are named do not fit."""

    def took(share: int) -> float:
        if share not in seconds:
            raise SharingError("too little memory")
        return seconds[share]

    return took


@pytest.mark.parametrize(
    ("seconds", "tried", "share"),
    [
        # Four bring 2.1 times as many as one, eight less than four.
        ({1: 1.0, 2: 1.1, 4: 1.9, 8: 4.2, 16: 1.0}, [1, 2, 4, 8], 4),
        # Two bring next to nothing more.
        ({1: 1.0, 2: 1.96, 4: 4.1}, [1, 2, 4], 1),
        ({1: 1.0, 2: 1.0}, [1, 2, 4], 2),
        ({1: 1.0, 2: 1.0, 4: 1.0, 8: 1.0, 16: 1.0, 32: 1.0}, [1, 2, 4, 8, 16], 16),
        ({}, [1], None),
    ],
)
def test_the_least_share_that_brings_most_is_chosen(
    seconds: dict[int, float], tried: list[int], share: int | None
) -> None:
    plan = a_plan(protocol__epochs=[6, 2])
    measured = measure_shares(plan, Path("none"), CPU, most=16, seconds=taking(seconds))
    found = list(measured)
    assert [one.share for one in found] == tried
    best = best_share(found)
    assert (best and best.share) == share
    for one in found:
        if one.share in seconds:
            assert one.cells_per_hour == pytest.approx(one.share * 3600 / (seconds[one.share] * 4))
        else:
            assert (one.cells_per_hour, one.reason) == (None, "too little memory")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("share")
    write_images(folder / "datasets/tiny")
    return folder


def shared(place: Path, plan: str, *options: str) -> tuple[int, Any, str]:
    (place / "plan.toml").write_text(plan)
    told = nbs(
        *("plan", "share", place / "plan.toml", "--device", "cpu", "--json", *options),
        NASBENCH_DATASETS_DIR=str(place / "datasets"),
    )
    return told.returncode, json.loads(told.stdout or "null"), told.stderr


def test_networks_of_the_plan_are_trained_at_a_time(place: Path) -> None:
    status, found, told = shared(place, PLAN, "--most", "2")
    assert status == 0, told
    assert [one["share"] for one in found["measured"]] == [1, 2]
    for one in found["measured"]:
        rate = one["share"] * 3600 / (one["epoch_seconds"] * 4)
        assert one["cells_per_hour"] == pytest.approx(rate)
    assert found["share"] in {1, 2}
    assert found["arch_str"].count("|") == 5
    assert "2 at a time: " in told


def test_what_cannot_be_trained_is_told(place: Path) -> None:
    other = PLAN.replace("[data]", f'[data]\nsha256 = "{"0" * 64}"')
    status, found, told = shared(place, other)
    assert (status, found["share"]) == (1, None), told
    (only,) = found["measured"]
    assert (only["share"], only["cells_per_hour"]) == (1, None)
    assert "another digest than the plan's" in only["reason"]


def test_a_data_set_that_is_not_here_is_told_with_those_that_are(place: Path) -> None:
    status, found, told = shared(place, PLAN.replace('"tiny"', '"large"'))
    assert (status, found) == (2, None)
    assert "no data set large; it has tiny" in " ".join(told.split())
