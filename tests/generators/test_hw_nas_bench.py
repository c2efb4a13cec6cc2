"""HW-NAS-Bench: the real pickle converted, and what is refused."""

from __future__ import annotations

import math
import operator
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from measuring import unmeasured

from benchmark_db.hw_nas_bench.costs import HwNasBench
from benchmark_db.hw_nas_bench.tables import METRICS
from benchmark_db.nasbench201.architecture import NUM_ARCHITECTURES, arch_strs
from benchmark_db.verify import verify_database
from generators.hw_nas_bench import generate
from safe_pickle import ArchiveError, UnsafePickleError


@pytest.fixture(scope="module")
@unmeasured()
def config() -> list[dict[str, str]]:
    """What a table says of its architectures."""
    return [{"arch_str": name} for name in arch_strs()]


def unchanged(values: Any, before: Any) -> bool:
    """Tell whether two lists hold the same objects: 1 and True equal 1.0."""
    lists = isinstance(values, list) and isinstance(before, list)
    return lists and len(values) == len(before) and all(map(operator.is_, values, before))


@pytest.fixture
def changed(tmp_path: Path, config: list[dict[str, str]]) -> Callable[[Callable[[Any], Any]], Path]:
    """Writes a changed pickle, small because its tables share what is the same; gives its path."""

    def write(change: Callable[[Any], Any]) -> Path:
        same = [1.0] * NUM_ARCHITECTURES
        whole = {**dict.fromkeys(METRICS, same), "config": config}
        own = {name: list(values) for name, values in whole.items()}
        archive = {"nasbench201": {"cifar10": whole, "cifar100": own, "ImageNet16-120": whole}}
        change(archive)
        own.update({name: whole[name] for name in own if unchanged(own[name], whole.get(name))})
        path = tmp_path / "costs.pickle"
        path.write_bytes(pickle.dumps(archive))
        return path

    return write


@pytest.mark.usefixtures("unmeasured")
def test_every_number_of_the_real_pickle_comes_back(
    real_hardware_archive: Path, real_hardware_database: Path
) -> None:
    provenance = verify_database(real_hardware_database)
    # Some figures of the Edge TPU are marked as missing.
    assert provenance.contents["figures_missing"] == {"edgetpu_latency": 3 * 4699}
    assert provenance.contents["costs"] == 3 * NUM_ARCHITECTURES
    assert not provenance.synthetic
    tables = pickle.loads(real_hardware_archive.read_bytes())["nasbench201"]
    costs = HwNasBench(real_hardware_database)
    with unmeasured():
        rows = list(costs.all_rows())
    costs.close()
    assert len(rows) == 3 * NUM_ARCHITECTURES
    for rank, dataset in enumerate(("cifar10", "cifar100", "ImageNet16-120")):
        for column, metric in enumerate(METRICS, 2):
            served = [row[column] for row in rows[rank::3]]
            # -1 marks architectures for which a device has no figure.
            recorded = [None if value == -1 else value for value in tables[dataset][metric]]
            assert served == recorded, (dataset, metric)


def test_a_made_up_pickle_says_so(hardware_database: Path) -> None:
    assert verify_database(hardware_database).synthetic


def table(archive: Any) -> Any:
    return archive["nasbench201"]["cifar100"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda a: table(a)["fpga_energy"].pop(), "cifar100, fpga_energy: 15624 values"),
        (lambda a: table(a)["raspi4_latency"].append(1.0), "raspi4_latency: 15626 values"),
        (lambda a: table(a).pop("pixel3_latency"), "cifar100: pixel3_latency is not a list"),
        (lambda a: table(a).update(fpga_energy=3), "fpga_energy is not a list"),
        (lambda a: table(a).update(tpu_latency=[]), r"unknown metrics \['tpu_latency'\]"),
        (lambda a: table(a).pop("config"), "config is not a list"),
        (lambda a: table(a)["config"].reverse(), "architecture 0 is"),
        (lambda a: table(a)["config"].__setitem__(7, None), "architecture 7 is None"),
        (
            lambda a: table(a)["eyeriss_energy"].__setitem__(9, math.nan),
            "eyeriss_energy: nan of architecture 9 is not a cost",
        ),
        (lambda a: a["nasbench201"].pop("cifar10"), "its data sets are"),
        (lambda a: a["nasbench201"].update(mnist={}), "its data sets are"),
        (lambda a: a["nasbench201"].update(CIFAR10={}), "its data sets are"),
        (lambda a: a["nasbench201"].update(cifar10=[]), r"cifar10: \[\] is not a table"),
        (lambda a: a.pop("nasbench201"), "holds no costs of 'nasbench201'"),
        (lambda a: a.update(nasbench201=[1]), "holds no costs of 'nasbench201'"),
    ],
)
def test_a_malformed_table_is_named_and_leaves_nothing(
    changed: Callable[..., Path], tmp_path: Path, change: Any, reason: str
) -> None:
    path = changed(change)
    with pytest.raises(ArchiveError, match=reason) as caught:
        generate(path, tmp_path / "out")
    assert str(caught.value).startswith("costs.pickle")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("odd", [math.inf, -2.0, 0.0, 1e300, 1, True, None, "1.0"])
def test_what_is_no_cost_is_named(changed: Callable[..., Path], tmp_path: Path, odd: Any) -> None:
    path = changed(lambda a: table(a)["eyeriss_energy"].__setitem__(9, odd))
    with pytest.raises(ArchiveError, match=r"eyeriss_energy: .* of architecture 9 is not a cost"):
        generate(path, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_refused_pickle_leaves_the_previous_database(
    changed: Callable[..., Path], tmp_path: Path
) -> None:
    provenance = generate(changed(lambda _: None), tmp_path / "out")
    assert verify_database(tmp_path / "out/hw-nas-bench.db") == provenance
    before = (tmp_path / "out/hw-nas-bench.db").read_bytes()
    with pytest.raises(ArchiveError):
        generate(changed(lambda a: table(a).pop("fpga_energy")), tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["hw-nas-bench.db"]
    assert (tmp_path / "out/hw-nas-bench.db").read_bytes() == before


class Hostile:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, ("touch hostile-pickle-ran",)


def test_a_hostile_pickle_is_refused_and_nothing_of_it_runs(
    changed: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = changed(lambda a: table(a).update(fpga_energy=Hostile()))
    with pytest.raises(UnsafePickleError, match=r"costs\.pickle: .*system"):
        generate(path, tmp_path / "out")
    assert not (tmp_path / "hostile-pickle-ran").exists()
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"", "costs.pickle"), (b"text", "costs.pickle"), (pickle.dumps([1]), "not a dict of search")],
)
def test_something_else_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "costs.pickle"
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match=reason):
        generate(path, tmp_path / "out")


def test_a_truncated_pickle_is_damaged(hardware_archive: Path, tmp_path: Path) -> None:
    path = tmp_path / "costs.pickle"
    path.write_bytes(hardware_archive.read_bytes()[:-1000])
    with pytest.raises(ArchiveError, match=r"costs\.pickle: "):
        generate(path, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArchiveError, match="is not a file"):
        generate(tmp_path, tmp_path / "out")
