"""The tables of a HW-NAS-Bench database."""

from __future__ import annotations

from typing import Final

import peewee

from benchmark_db.nats_bench.tables import Dataset
from benchmark_db.provenance import ProvenanceRow
from benchmark_spec.published import HW_NAS_BENCH

__all__ = ["DATASETS", "DEVICES", "KEY", "METRICS", "SCHEMA_VERSION", "TABLES", "VIEWS", "Cost"]

SCHEMA_VERSION: Final = 3

DATASETS: Final = HW_NAS_BENCH.datasets
"""Data sets with measured costs (their images and classes); the position is the code."""

KEY: Final = ("arch_index", "dataset")


class Cost(peewee.Model):
    """Costs of one inference of an architecture, for the images and classes of a data set.

    Latencies are in milliseconds, energies in millijoules, arithmetic intensity in FLOP per byte;
    null where a device could not run the network. `arch_index` is the index of NAS-Bench-201.
    """

    arch_index = peewee.IntegerField()
    dataset = peewee.IntegerField()
    edgegpu_latency = peewee.DoubleField(null=True)
    edgegpu_energy = peewee.DoubleField(null=True)
    raspi4_latency = peewee.DoubleField(null=True)
    edgetpu_latency = peewee.DoubleField(null=True)
    pixel3_latency = peewee.DoubleField(null=True)
    eyeriss_latency = peewee.DoubleField(null=True)
    eyeriss_energy = peewee.DoubleField(null=True)
    eyeriss_arithmetic_intensity = peewee.DoubleField(null=True)
    fpga_latency = peewee.DoubleField(null=True)
    fpga_energy = peewee.DoubleField(null=True)

    class Meta:
        table_name = "cost"
        primary_key = peewee.CompositeKey(*KEY)
        without_rowid = True


METRICS: Final = HW_NAS_BENCH.stat_names
"""The published names of the costs, in the order of the columns: device, then quantity."""

DEVICES: Final = {
    device: tuple(name for name in METRICS if name.startswith(f"{device}_"))
    for device in dict.fromkeys(name.partition("_")[0] for name in METRICS)
}
"""Names of the costs on each device."""

TABLES: Final[tuple[type[peewee.Model], ...]] = (ProvenanceRow, Dataset, Cost)

VIEWS: Final = {
    # All parts of the text are constants of this module.
    "hardware_cost": f"""
        SELECT cost.arch_index AS "index", dataset.name AS dataset,
               {", ".join(f"cost.{name}" for name in METRICS)}
        FROM cost
        JOIN dataset ON dataset.id = cost.dataset
    """,  # noqa: S608 - of constants
}
"""Views for other SQLite tools, with the names and units of the service."""
