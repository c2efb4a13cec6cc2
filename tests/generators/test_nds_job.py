"""What a job of NDS must be, and what is said of one that is something else."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest

from generators.raw.nds_job import Job, read_job
from safe_pickle import DamagedArchiveError

MakeJob: TypeAlias = Callable[..., dict[str, Any]]
CELLS = {
    "genotype": {
        "normal": [["sep_conv_3x3", 0], ["skip_connect", 1]] * 2,
        "normal_concat": [2, 3],
        "reduce": [["max_pool_3x3", 0], ["skip_connect", 1]],
        "reduce_concat": [2],
    },
    "depth": 8,
    "width": 16,
    "aux": False,
    "drop_prob": 0.0,
}


def read(record: dict[str, Any]) -> Job:
    return read_job(record, "X.json, job 7")


def test_reads_every_field(nds_job: MakeJob) -> None:
    record = nds_job()
    job = read(record)
    assert job.network.family == "residual_basic"
    assert job.network.model_spec == {"ds": [1, 12, 12, 12], "ss": [1, 1, 2, 2]} | {
        "ws": [16, 24, 24, 40]
    }
    assert job.network.genotype is None
    assert (job.base_lr, job.weight_decay, job.num_epochs, job.seed) == (0.1, 5e-4, 100, 1)
    assert (job.parameters, job.flops) == (594_138, 184_519_578)
    assert (job.iter_time, job.prec_time, job.smallest_test_error) == (0.059, 0.017, 6.42)
    assert job.train_error.tolist() == record["train_ep_top1"]
    assert job.test_error.tolist() == record["test_ep_top1"]
    assert job.train_loss.tolist() == record["train_ep_loss"]
    assert not job.synthetic
    assert job.unknown == frozenset()


@pytest.mark.parametrize(
    ("block", "family"),
    [
        ("res_bottleneck_block", "residual_bottleneck"),
        ("res_basic_block", "residual_basic"),
        ("double_plain_block", "vanilla"),
    ],
)
def test_the_block_type_tells_the_family(nds_job: MakeJob, block: str, family: str) -> None:
    record = nds_job()
    record["net"]["block_type"] = block
    assert read(record).network.family == family


def test_the_cells_may_have_different_numbers_of_nodes(nds_job: MakeJob) -> None:
    network = read(nds_job(CELLS)).network
    assert network.family == "nas_cell"
    assert network.genotype == CELLS["genotype"]
    assert network.model_spec == {
        "num_nodes_normal": 2,
        "num_nodes_reduce": 1,
        "depth": 8,
        "width": 16,
        "aux": False,
        "drop_prob": 0.0,
    }


def test_a_loss_that_is_no_number_is_undefined(nds_job: MakeJob) -> None:
    record = nds_job()
    record["train_ep_loss"][-3:] = [math.nan, math.inf, -math.inf]
    loss = read(record).train_loss
    assert np.isnan(loss[-3:]).all()
    assert loss[:-3].tolist() == record["train_ep_loss"][:-3]


@pytest.mark.parametrize("name", ["iter_time", "prec_time", "min_test_top1"])
@pytest.mark.parametrize("value", [None, math.nan])
def test_some_times_may_be_missing(nds_job: MakeJob, name: str, value: Any) -> None:
    record = nds_job(**{name: value})
    assert read(record) is not None
    del record[name]
    job = read(record)
    assert None in (job.iter_time, job.prec_time, job.smallest_test_error)


def test_fields_that_nobody_knows_are_told(nds_job: MakeJob) -> None:
    assert read(nds_job(job_id="a", other=1)).unknown == {"job_id", "other"}


def changed(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Return what puts a value into a record, or with ... takes the field away."""

    def change(record: dict[str, Any]) -> None:
        *outer, last = path.split(".")
        for name in outer:
            record = record[int(name)] if isinstance(record, list) else record[name]
        if value is ...:
            del record[last]
        else:
            record[int(last) if isinstance(record, list) else last] = value

    return change


STAGES = [
    ("net.block_type", "transformer", "unknown block_type 'transformer'; known are res_bottl"),
    ("net.block_type", 3, "block_type is 3, expected a str"),
    ("net", ..., "net is missing, expected a dict"),
    ("net.ds", ..., "ds is missing"),
    ("net.ws", [16, "24"], "ws is .*, no list of whole numbers"),
    ("net.ss", [1.5], "ss is .*, no list of whole numbers"),
    ("optim", [], "optim is \\[\\]"),
    ("optim.base_lr", ..., "optim: base_lr is missing"),
    ("optim.base_lr", math.nan, "base_lr is nan, expected a number"),
    ("optim.base_lr", -0.1, "base_lr is -0.1"),
    ("optim.wd", "5e-4", "wd is '5e-4'"),
    ("optim.wd", math.inf, "wd is inf"),
    ("optim.max_ep", 99, "max_ep is 99, but .* hold 100, 100, 100 values"),
    ("optim.max_ep", 100.0, "max_ep is 100.0, expected a whole number"),
    ("optim.max_ep", 70_000, "max_ep is 70000"),
    ("rng_seed", None, "rng_seed is None"),
    ("rng_seed", True, "rng_seed is True"),
    ("params", 594_138.5, "params is 594138.5"),
    ("params", -1, "params is -1"),
    ("flops", 10**40, "flops is 1000000"),
    ("flops", "many", "flops is 'many'"),
    ("iter_time", "fast", "iter_time is 'fast'"),
    ("iter_time", -1.0, "iter_time is -1.0"),
    ("min_test_top1", [], "min_test_top1 is \\[\\]"),
    ("train_ep_top1", ..., "train_ep_top1 is missing"),
    ("train_ep_top1.3", math.nan, "train_ep_top1 is nan at epoch 4"),
    ("test_ep_top1.99", math.inf, "test_ep_top1 is inf at epoch 100"),
    ("test_ep_top1.0", -0.5, "test_ep_top1 is -0.5 at epoch 1"),
    ("test_ep_top1.5", None, "test_ep_top1 is None at epoch 6, no number"),
    ("test_ep_top1.5", "6.5", "test_ep_top1 is '6.5' at epoch 6"),
    ("train_ep_loss.5", True, "train_ep_loss is True at epoch 6"),
    ("train_ep_loss.5", 10**400, "train_ep_loss"),
    ("test_ep_top1", [1.0] * 99, "hold 100, 99, 100 values"),
    ("train_ep_loss", [], "hold 100, 100, 0 values"),
]


@pytest.mark.parametrize(("path", "value", "message"), STAGES)
def test_says_which_field_of_which_job_is_wrong(
    nds_job: MakeJob, path: str, value: Any, message: str
) -> None:
    record = nds_job()
    changed(path, value)(record)
    with pytest.raises(DamagedArchiveError, match=f"X.json, job 7.*{message}"):
        read(record)


def test_a_training_of_no_epochs_is_none(nds_job: MakeJob) -> None:
    record = nds_job(train_ep_top1=[], test_ep_top1=[], train_ep_loss=[])
    record["optim"]["max_ep"] = 0
    with pytest.raises(DamagedArchiveError, match="max_ep is 0"):
        read(record)


GENOTYPES = [
    ("genotype", [], "genotype is"),
    ("genotype.normal", [], "normal: 0 entries"),
    ("genotype.reduce", [["skip_connect", 0]], "reduce: 1 entries are not two for each node"),
    ("genotype.reduce", ..., "reduce is missing"),
    ("genotype.normal_concat", ..., "normal_concat is missing"),
    ("genotype.normal_concat", [4], r"normal_concat: \[4\] is not in 0 to 3"),
    ("genotype.reduce_concat", ["2"], "reduce_concat is .*, no list of whole numbers"),
    ("genotype.normal.3", ["skip_connect", 3], "normal 3: input 3 is not in 0 to 2"),
    ("genotype.normal.0", ["skip_connect", -1], "normal 0: input -1 is not in 0 to 1"),
    ("genotype.normal.0", ["skip_connect"], "normal 0: .* is not .operation, input"),
    ("genotype.normal.0", [1, 1], "normal 0: .* is not .operation, input"),
    ("genotype.normal.0", "skip_connect", "normal 0: .* is not .operation, input"),
    ("genotype.other", [], "unknown 'other' in genotype"),
    ("depth", ..., "depth is missing"),
    ("width", 16.5, "width is 16.5"),
    ("aux", 0, "aux is 0, expected a bool"),
    ("drop_prob", math.nan, "drop_prob is nan"),
]


@pytest.mark.parametrize(("path", "value", "message"), GENOTYPES)
def test_says_what_is_wrong_with_a_cell_network(
    nds_job: MakeJob, path: str, value: Any, message: str
) -> None:
    record = nds_job(CELLS)
    changed(f"net.{path}", value)(record)
    with pytest.raises(DamagedArchiveError, match=f"X.json, job 7, net.*{message}"):
        read(record)
