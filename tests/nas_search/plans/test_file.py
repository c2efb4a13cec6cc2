"""The plan file: what it means, its canonical form, and what is refused with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
from planned import a_plan, content

from nas_search.plans import Cells, Plan, PlanError, Selection, plan_of, read_plan, table_of
from nas_search.recipe import Recipe

WRITTEN: Final = """
name = "digits"
title = "NAS-Bench-201's cells on handwritten digits"
licence = "CC0-1.0"

[space]
name = "NasBench201"
arguments = { stem_out_channels = 8, num_modules_per_stack = 1, num_labels = 10, image_size = 8 }
restrict = { "cell/0_3" = ["none"], "cell/1_3" = ["none"], "cell/2_3" = ["conv_3x3"] }

[select]
kind = "all"

[data]
name = "digits"
classes = 10
split = { train = 200, valid = 400, test = 1197, stratified = true }

[protocol]
epochs = [2, 6]
seeds = [0, 1, 2]
batch_size = 64
optimizer = { name = "sgd", lr = 0.1, momentum = 0.9, nesterov = true, weight_decay = 5e-4 }
schedule = { name = "cosine", warmup_epochs = 0 }
augment = ["crop:pad=1", "flip"]

[limits]
hours = 40
"""

WRITTEN_TRAINER: Final = """
[protocol.trainer]
name = "quick"
options = { mixup = true, lr = 0.5 }

[limits]
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "digits.toml"
    path.write_text(WRITTEN)
    return path


def test_a_trainer_is_part_of_the_protocol_and_of_its_digest(file: Path) -> None:
    file.write_text(WRITTEN.replace("[limits]", WRITTEN_TRAINER))
    plan = read_plan(file)
    assert plan.trainer is not None
    stated = {"name": "quick", "options": {"lr": 0.5, "mixup": True}}
    assert plan.content()["protocol"]["trainer"] == stated
    assert plan_of(plan.content()) == plan
    digests = {plan.protocol_digest, read_plan_without(file).protocol_digest}
    for changes in ({"sha256": "c" * 64}, {"options": {"lr": 0.25}}):
        digests.add(plan_of(trained_by(plan, **changes)).protocol_digest)
    assert len(digests) == 4
    for wrong, says in (
        ("nmae = 1", r"digits.toml, line \d+ \[protocol.trainer\]: .*nmae"),
        ("name = 3", r"\[protocol.trainer\]: .*3 is none"),
        ('name = "x"\noptions = { f = [1] }', r"line \d+ \[protocol.trainer\]: .*f = \[1\]"),
    ):
        file.write_text(WRITTEN.replace("[limits]", f"[protocol.trainer]\n{wrong}\n[limits]"))
        with pytest.raises(PlanError, match=says):
            read_plan(file)


def trained_by(plan: Plan, **changes: Any) -> dict[str, Any]:
    """Return a plan as JSON whose trainer has other members."""
    stated = plan.content()
    stated["protocol"]["trainer"] |= changes
    return stated


def read_plan_without(file: Path) -> Plan:
    """Return the plan of a file as it is without a trainer."""
    file.write_text(WRITTEN)
    return read_plan(file)


def test_a_file_says_how_networks_are_trained(file: Path) -> None:
    plan = read_plan(file)
    assert plan.recipe_for(6) == Recipe(
        epochs=6, batch_size=64, lr=0.1, nesterov=True, weight_decay=5e-4, crop=1, flip=True
    )
    assert plan.epochs == (6, 2)
    assert plan.fractions == [200 / 1797, 400 / 1797]
    cells = Cells(Selection(plan))
    assert (len(cells.selection), len(cells)) == (125, 750)


def test_the_canonical_form_is_the_same_plan(file: Path) -> None:
    plan = read_plan(file)
    again = plan_of(plan.content())
    assert again == plan
    assert again.digest == plan.digest
    assert again.content() == plan.content()


def test_limits_are_part_of_a_plan() -> None:
    assert a_plan(limits={"timing": "any"}).digest == a_plan().digest
    plan = a_plan(limits={"timing": "alone"})
    assert (plan.timing, plan.content()["limits"]) == ("alone", {"timing": "alone"})
    plan = a_plan(limits={"label": "a100", "daily": ["20:05", "06:00"], "running": 3})
    assert (plan.label, plan.daily, plan.running) == ("a100", (1205, 360), 3)
    assert plan.content()["limits"]["daily"] == ["20:05", "06:00"]
    assert plan_of(plan.content()) == plan


def test_the_protocol_is_told_apart_from_what_is_measured_by_it(file: Path) -> None:
    plan = read_plan(file)
    other = plan_of({**plan.content(), "name": "more", "select": {"kind": "sample", "n": 3}})
    assert (other.protocol_digest, other.digest == plan.digest) == (plan.protocol_digest, False)
    changed = plan.content()
    changed["protocol"]["recipe"]["lr"] = 0.2
    assert plan_of(changed).protocol_digest != plan.protocol_digest


def test_a_published_recipe_is_a_whole_protocol() -> None:
    plan = a_plan(protocol="NasBench201")
    assert plan.epochs == (plan.recipe_for(200).epochs,) == (200,)
    assert (plan.seeds, plan.recipe.optimizer, plan.recipe.nesterov) == ((0,), "sgd", True)


@pytest.mark.parametrize(
    ("line", "instead", "told"),
    [
        ("hours = 40", "huors = 40", r"line 28 \[limits\]: unknown key `huors`; did you mean"),
        ("nesterov = true", "nestrov = true", r"line 23 .*did you mean `nesterov`"),
        ('"flip"]', '"flop"]', r"line 25 .*unknown augmentation 'flop': is it flip"),
        ('"NasBench201"', '"NasBench202"', r"line 7 .*no space 'NasBench202'"),
        ("[0, 1, 2]", "[0, 1, 1]", r"line 21 .*has a value twice"),
        ("[2, 6]", "[6, 6]", r"line 20 .*has a value twice"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(
    file: Path, line: str, instead: str, told: str
) -> None:
    assert WRITTEN.count(line) == 1
    file.write_text(WRITTEN.replace(line, instead))
    with pytest.raises(PlanError, match=f"digits.toml, {told}"):
        read_plan(file)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"name": "nasbench201"}, "is taken"),
        ({"name": "plans"}, "is taken"),
        ({"name": "Tiny"}, "no valid name"),
        ({"title": "a\0b"}, "printable characters"),
        ({"title": "x" * 1_001}, "at most 1,000"),
        ({"licence": "\u202efdp"}, "printable characters"),
        ({"citation": "\ud800"}, "printable characters"),
        ({"data__licence": "a\nb"}, "printable characters"),
        (
            {"space__arguments": {"num_labels": 5}, "data__classes": 4},
            "num_labels is 5 and the data set has 4",
        ),
        ({"space__restrict": {"cell/9": ["none"]}}, "no choice 'cell/9'"),
        ({"space__restrict": {"cell/0_1": ["conv"]}}, "candidates are"),
        ({"space__arguments": {"chanels": 3}}, "no such argument"),
        ({"space__arguments": {"stem_out_channels": 10**6}}, "no network is as large"),
        ({"space": {"name": "LightSpeech"}}, "read no images"),
        ({"protocol__schedule": {"warmup_epochs": 1}}, "of 1 epochs: warmup_epochs"),
        ({"protocol__optimizer": {"lr": -1}}, "lr: "),
        ({"protocol__recipe": "NasBench2"}, "no recipe"),
        ({"protocol__augment": ["crop:pad=-1"]}, "write crop:pad=NUMBER"),
        ({"protocol__curve": ["test_acc"]}, "no curve"),
        ({"data__sha256": "12"}, "no SHA-256"),
        ({"data__split": {"train": 1}}, "`valid` is missing"),
        ({"limits": {"hours": 0}}, "not above 0"),
        ({"limits": {"label": "a b"}}, "no label"),
        ({"limits": {"timing": "quiet"}}, "is none of any, alone"),
        ({"limits": {"daily": ["20:00"]}}, "no two times of the day"),
        ({"limits": {"daily": ["06:00", "06:00"]}}, "no two times of the day"),
        ({"limits": {"daily": ["24:00", "06:00"]}}, "no two times of the day"),
        ({"limits": {"daily": ["20:00", "06:00", 5]}}, "no two times of the day"),
        ({"select": {"kind": "sample"}}, "a sample needs its size"),
        ({"select": {"kind": "some"}}, "none of all, sample, list"),
        ({"order": "width"}, "none of breadth, depth"),
    ],
)
def test_what_cannot_be_carried_out_is_refused_by_member(
    changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(PlanError, match=told) as refused:
        plan_of(content(**changes))
    assert refused.value.path[0] == next(iter(changes)).partition("__")[0]


def test_too_large_for_all_and_too_small_for_a_sample() -> None:
    with pytest.raises(PlanError, match="select a sample"):
        Selection(a_plan(space={"name": "MobileNetV3Space"}, select={"kind": "all"}))
    many = a_plan(protocol__seeds=list(range(800)), protocol__epochs=[1, 2])
    few = Selection(a_plan())
    with pytest.raises(PlanError, match="exceeds the 40 architectures: select all"):
        Selection(a_plan(select__n=41))
    assert len(Cells(Selection(many))) == 8_000
    whole = a_plan(space__restrict={}, select={"kind": "all"}, protocol__seeds=list(range(64)))
    with pytest.raises(PlanError, match="or say that they are intended"):
        Cells(Selection(whole))
    assert len(Cells(Selection(whole), large=True)) == 15_625 * 64 * 2
    few.check_bounds()


def test_more_seeds_are_another_plan_of_the_same_protocol() -> None:
    plan = a_plan()
    more = plan.extended("tiny-2", seeds=[7], n=6)
    assert (more.name, more.seeds, more.n) == ("tiny-2", (0, 1, 7), 6)
    assert more.protocol_digest == plan.protocol_digest
    with pytest.raises(PlanError, match="twice"):
        plan.extended("tiny-2", seeds=[1])
    assert table_of(Selection(more)).name == "tiny-2"
