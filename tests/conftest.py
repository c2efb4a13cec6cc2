"""What the tests of several packages share: made-up and real archives and their databases."""

from __future__ import annotations

import copy
import gc
import json
import os
import random
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Sequence
from inspect import unwrap
from pathlib import Path
from typing import Any, Final

import certifi
import httpx
import orjson
import pytest
from hypothesis import settings
from made_once import made_once
from measuring import unmeasured
from nasbench101_cells import ARCH as GOLDEN_CELL
from waiting import PATIENCE

from benchmark_db.nasbench101.benchmark import NasBench101
from benchmark_db.nasbench101.graph_hash import hash_cell
from benchmark_db.nasbench101.parameters import trainable_parameters
from benchmark_db.nasbench101.space import enumerate_cells
from benchmark_db.nasbench101.spelling import parse_cell
from benchmark_db.nasbench201.benchmark import NasBench201
from benchmark_db.nds.benchmark import Nds
from generators import hw_nas_bench
from generators import nds as nds_generator
from generators.nasbench101 import generate as generate_nasbench101
from generators.nasbench201 import generate
from generators.raw.nasbench101_record import new_model_metrics
from generators.raw.tfrecord import framed
from generators.registry import GENERATORS, SAMPLES, WHOLE_SAMPLES
from generators.sample.hw_nas_bench import write_sample as write_hardware_sample
from generators.sample.nasbench201 import write_sample
from generators.sample.nds import write_sample as write_nds_sample

pytest_plugins = ["bucket_server", "processor_time", "real_servers", "skips_in_ci"]

# Beside tests that keep all cores busy an attempt of the idle class hardly moves.
os.environ["NASBENCH_ATTEMPT_PRIORITY"] = "normal"

# Nothing that importing and collecting make is garbage; nobody looks for it there, then or later.
gc.disable()

REPOSITORY = Path(__file__).resolve().parents[1]
SHARED = REPOSITORY.parent / "shared"

# How long an example takes says nothing on a machine that has other work to do.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
# Five seconds are too few where twenty processes share a core. What a test says itself stays.
for asking in (
    *(httpx.get, httpx.post, httpx.put, httpx.delete, httpx.request, httpx.stream),
    *(httpx.Client.__init__, httpx.AsyncClient.__init__),
):
    unwrap(asking).__kwdefaults__["timeout"] = httpx.Timeout(PATIENCE)


@pytest.fixture(scope="session", autouse=True)
def one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let clients know one certificate authority instead of all.

    Reading all takes httpx 25 ms for every client, and tests ask over plain HTTP.
    """
    first, end, _ = Path(certifi.where()).read_text().partition("-----END CERTIFICATE-----\n")
    path = tmp_path_factory.mktemp("authorities") / "one.pem"
    path.write_text(first + end)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SSL_CERT_FILE", str(path))
        yield


@pytest.fixture(name="unmeasured")
def unmeasured_fixture() -> Iterator[None]:
    """Measure no coverage in a test and in what it alone has made: for `usefixtures`."""
    with unmeasured():
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes long: at the end, all processes but one would wait for it."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    """Look for garbage from here on, in what is made from here on."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real samples."""
    if not SHARED.is_dir():
        pytest.skip("the real records are in ../shared, which is not there")
    return SHARED


@pytest.fixture(scope="session")
def unprivileged() -> list[str]:
    """What leads a command that must keep to permissions: root's may read and write everything."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]


@pytest.fixture(scope="session")
def sample_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up NAS-Bench-201 archive of twelve architectures."""
    folder = made_once(
        tmp_path_factory, "archive", lambda made: write_sample(made, architectures=12, seed=0)
    )
    (archive,) = folder.iterdir()
    return archive


@pytest.fixture(scope="session")
def sample_database(sample_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database made of it; not to be written to."""
    folder = made_once(tmp_path_factory, "database", lambda made: generate(sample_archive, made))
    return folder / "nasbench201.db"


@pytest.fixture(scope="session")
def whole_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the made-up database of all of NAS-Bench-201; not to be written to."""
    return made_once(tmp_path_factory, "whole", WHOLE_SAMPLES["nasbench201"])


@pytest.fixture(scope="session")
def every_sample(
    sample_database: Path, hardware_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with the database of each benchmark, of made-up archives; not to be written to."""

    def make(folder: Path) -> None:
        made = {path.stem: path for path in (sample_database, hardware_database)}
        for path in made.values():
            (folder / path.name).hardlink_to(path)
        for name, write in SAMPLES.items():
            if name in made:
                continue
            raw = write(folder / "raw", architectures=12, seed=0)
            GENERATORS[name](raw, folder, progress=lambda *_: None)

    return made_once(tmp_path_factory, "every-sample", make)


@pytest.fixture(scope="session")
def hardware_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made-up archive of hardware costs."""
    folder = made_once(
        tmp_path_factory, "hardware-archive", lambda made: write_hardware_sample(made, seed=0)
    )
    (archive,) = folder.iterdir()
    return archive


@pytest.fixture(scope="session")
def hardware_database(hardware_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database made of it; not to be written to."""
    folder = made_once(
        tmp_path_factory, "hardware", lambda made: hw_nas_bench.generate(hardware_archive, made)
    )
    return folder / "hw-nas-bench.db"


@pytest.fixture(scope="session")
def real_hardware_archive(shared: Path) -> Path:
    """The published pickle of HW-NAS-Bench."""
    return shared / "data/hw-nas-bench/HW-NAS-Bench-v1_0.pickle"


@pytest.fixture(scope="session")
def real_hardware_database(
    real_hardware_archive: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The database made of it; not to be written to."""
    folder = made_once(
        tmp_path_factory,
        "real-hardware",
        lambda made: hw_nas_bench.generate(real_hardware_archive, made),
    )
    return folder / "hw-nas-bench.db"


@pytest.fixture(scope="session")
def sample(sample_database: Path) -> Iterator[NasBench201]:
    """The benchmark in that database."""
    benchmark = NasBench201(sample_database)
    yield benchmark
    benchmark.close()


@pytest.fixture(scope="session")
def real_folder(shared: Path) -> Path:
    """The real records of architectures 0 and 11 in the layout of NATS-Bench."""
    return shared / "data/nasbench201/NATS-tss-v1_0-3ffb9-simple"


@pytest.fixture(scope="session")
def real_database(real_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database made of them; not to be written to."""
    folder = made_once(tmp_path_factory, "real", lambda made: generate(real_folder, made))
    return folder / "nasbench201.db"


@pytest.fixture(scope="session")
def real(real_database: Path) -> Iterator[NasBench201]:
    """The benchmark in that database."""
    benchmark = NasBench201(real_database)
    yield benchmark
    benchmark.close()


GOLDEN_RUNS: Final = [
    # Half-way, then final: train, validation and test accuracy, seconds (raw-formats.md, section 1;
    # the halves' train and test accuracy as the archive of the shared samples has them).
    (
        (0.8282251358032227, 0.7776442170143127, 0.7740384340286255, 883.4580078125),
        (1.0, 0.9241786599159241, 0.9211738705635071, 1769.1279296875),
    ),
    (
        (0.8796073794364929, 0.8291265964508057, 0.8204126358032227, 883.6810302734375),
        (1.0, 0.9245793223381042, 0.9190705418586731, 1768.2509765625),
    ),
    (
        (0.8634815812110901, 0.8115985393524170, 0.8058894276618958, 883.4569702148438),
        (1.0, 0.9304887652397156, 0.9215745329856873, 1768.9759521484375),
    ),
]


def nasbench101_payload(
    cell: Any,
    epochs: int = 108,
    halfway: Sequence[float] = (0.8, 0.7, 0.6, 500.0),
    final: Sequence[float] = (1.0, 0.9, 0.88, 1000.0),
    **odd: Any,
) -> bytes:
    """Return the payload of a NAS-Bench-101 record.

    The half-way and the final evaluation are train, validation and test accuracy and seconds;
    `odd` sets `parameters` or `digest` to something else than what follows from the cell.
    """
    parsed = parse_cell(cell)
    metrics = new_model_metrics()
    evaluations = ((0.0, (0.1, 0.1, 0.1, 0.0)), (epochs / 2, halfway), (epochs, final))
    for epoch, (train, validation, test, seconds) in evaluations:
        metrics.evaluation_data.add(
            current_epoch=epoch,
            training_time=seconds,
            train_accuracy=train,
            validation_accuracy=validation,
            test_accuracy=test,
        )
    metrics.trainable_parameters = odd.get("parameters") or trainable_parameters(parsed)
    metrics.total_time = 1.0
    spelled = parsed.to_module()
    record = [
        odd.get("digest") or hash_cell(parsed),
        epochs,
        "".join(str(entry) for row in parsed.to_adjacency() for entry in row),
        ",".join(str(name) for name in spelled["module_operations"]),
        b64encode(metrics.SerializeToString()).decode(),
    ]
    return orjson.dumps(record)


@pytest.fixture(scope="session")
def training() -> Callable[..., bytes]:
    """Makes the payload of a NAS-Bench-101 record; see `nasbench101_payload`."""
    return nasbench101_payload


@pytest.fixture(scope="session")
def write_tfrecord() -> Callable[[Path, Iterable[bytes]], Path]:
    """Writes payloads as a TFRecord file and returns its path."""

    def write(path: Path, payloads: Iterable[bytes]) -> Path:
        path.write_bytes(b"".join(map(framed, payloads)))
        return path

    return write


@pytest.fixture(scope="session")
@unmeasured()
def nasbench101_payloads() -> list[bytes]:
    """Records of the golden cell and of every cell of up to four vertices, in a random order.

    All budgets, three repeats; those of the golden cell at 108 epochs are the published ones, in
    their order.
    """
    rng = random.Random(0)  # noqa: S311 - repeatable numbers, not secrets
    cells = [cell.to_dict() for _, cell in enumerate_cells(4)]
    made_up = [
        nasbench101_payload(
            cell,
            epochs,
            [rng.random(), rng.random(), rng.random(), epochs * 8.0],
            [rng.random(), rng.random(), rng.random(), epochs * 16.0],
        )
        for cell in [*cells, GOLDEN_CELL]
        for epochs in (4, 12, 36, 108)
        for _ in range(3)
    ][:-3]
    published = [nasbench101_payload(GOLDEN_CELL, 108, *run) for run in GOLDEN_RUNS]
    places = sorted(rng.sample(range(len(made_up) + 3), 3))
    rng.shuffle(made_up)
    for place, payload in zip(places, published, strict=True):
        made_up.insert(place, payload)
    return made_up


@pytest.fixture(scope="session")
@unmeasured()
def nasbench101_archive(
    nasbench101_payloads: list[bytes],
    write_tfrecord: Callable[[Path, Iterable[bytes]], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """An archive of those records."""
    folder = tmp_path_factory.mktemp("nasbench101")
    return write_tfrecord(folder / "nasbench_full.tfrecord", nasbench101_payloads)


@pytest.fixture(scope="session")
def nasbench101_folder(nasbench101_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the database made of it; not to be written to."""
    return made_once(
        tmp_path_factory,
        "nasbench101-database",
        lambda made: generate_nasbench101(nasbench101_archive, made),
    )


@pytest.fixture(scope="session")
def nasbench101(nasbench101_folder: Path) -> Iterator[NasBench101]:
    """The benchmark in that database."""
    benchmark = NasBench101(nasbench101_folder / "nasbench101.db")
    yield benchmark
    benchmark.close()


NDS_RESNET: Final = {
    "block_type": "res_basic_block",
    "ds": [1, 12, 12, 12],
    "ss": [1, 1, 2, 2],
    "ws": [16, 24, 24, 40],
    "bot_muls": [],
    "num_gs": [],
}
NDS_NORMAL: Final = (
    "avg_pool_3x3 0, conv_7x1_1x7 1, sep_conv_3x3 2, sep_conv_5x5 0, dil_sep_conv_3x3 2, "
    "dil_sep_conv_3x3 2, skip_connect 4, dil_sep_conv_3x3 4, conv_7x1_1x7 2, sep_conv_3x3 4"
)
NDS_REDUCE: Final = (
    "avg_pool_3x3 0, dil_sep_conv_3x3 1, sep_conv_3x3 0, sep_conv_3x3 0, skip_connect 2, "
    "sep_conv_7x7 0, conv_7x1_1x7 4, skip_connect 4, conv_7x1_1x7 0, conv_7x1_1x7 5"
)


def nds_cell(text: str) -> list[list[Any]]:
    """Return a cell written as operations and inputs as the archive has it."""
    return [[name, int(source)] for name, source in (entry.split() for entry in text.split(", "))]


NDS_AMOEBA: Final = {
    "genotype": {
        "normal": nds_cell(NDS_NORMAL),
        "normal_concat": [3, 5, 6],
        "reduce": nds_cell(NDS_REDUCE),
        "reduce_concat": [3, 6],
    },
    "depth": 12,
    "width": 32,
    "aux": False,
    "drop_prob": 0.0,
}


def nds_job_of(net: Any = NDS_RESNET, epochs: int = 100, **fields: Any) -> dict[str, Any]:
    """Return a job of NDS; by default the published one of ResNet, as far as it is published.

    Its curves reach the published best and final figures (raw-formats.md, section 3) in the last
    two epochs; what leads there is made up.
    """
    errors = [round(90 - 80 * epoch / epochs, 3) for epoch in range(1, epochs - 1)]
    job = {
        "net": copy.deepcopy(net),
        "optim": {"base_lr": 0.1, "wd": 5e-4, "max_ep": epochs},
        "rng_seed": 1,
        "params": 594_138,
        "flops": 184_519_578,
        "iter_time": 0.059,
        "prec_time": 0.017,
        "train_ep_top1": [*errors, 0.228, 0.228],
        "train_ep_loss": [*(round(error / 30, 3) for error in errors), 0.011, 0.011],
        "test_ep_top1": [*errors, 6.42, 6.51],
        "min_test_top1": 6.42,
    }
    return job | fields


@pytest.fixture(scope="session")
def nds_job() -> Callable[..., dict[str, Any]]:
    """Makes a job of NDS; see `nds_job_of`."""
    return nds_job_of


@pytest.fixture(scope="session")
@unmeasured()
def nds_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up NDS archive of three networks a file, the published ones first in theirs."""
    folder = write_nds_sample(tmp_path_factory.mktemp("nds"), architectures=100, seed=0)
    amoeba = nds_job_of(
        NDS_AMOEBA, params=4_190_314, flops=664_400_586, iter_time=0.281, min_test_top1=6.63
    )
    amoeba["test_ep_top1"][-2:] = [6.63, 6.73]
    for name, job in (("ResNet", nds_job_of()), ("Amoeba", amoeba)):
        path = folder / f"{name}.json"
        path.write_text(json.dumps([job, *json.loads(path.read_text())]))
    return folder


@pytest.fixture(scope="session")
def nds_folder(nds_archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the database made of it; not to be written to."""
    return made_once(
        tmp_path_factory, "nds-database", lambda made: nds_generator.generate(nds_archive, made)
    )


@pytest.fixture(scope="session")
def nds(nds_folder: Path) -> Iterator[Nds]:
    """The benchmark in that database."""
    benchmark = Nds(nds_folder / "nds.db")
    yield benchmark
    benchmark.close()
