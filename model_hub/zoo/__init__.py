"""The zoo: searched models, their published weights and their evaluation protocols.

    from model_hub import zoo

    zoo.names()
    zoo.record("proxyless-mobile").protocol
    network = zoo.load("proxyless-mobile")
    print(zoo.profile("proxyless-mobile"))

`load`, `build`, `profile` and `convert` take the name or the record of a model.

`nbs zoo convert` stores weights in $NASBENCH_ZOO_DIR, by default ~/.nasbenchmark/zoo. JSON files in
the subfolder `records` add models. Records work without PyTorch.
"""

from __future__ import annotations

from model_hub.errors import (
    CheckpointError,
    DigestError,
    DownloadError,
    MismatchError,
    MissingWeightsError,
    RecordError,
    ZooError,
)
from model_hub.zoo.models import build, convert, load, profile
from model_hub.zoo.records import (
    Counts,
    Figure,
    Record,
    WeightFile,
    all_records,
    counts,
    names,
    record,
    records_folder,
    weights_path,
    zoo_folder,
)

__all__ = [
    "CheckpointError",
    "Counts",
    "DigestError",
    "DownloadError",
    "Figure",
    "MismatchError",
    "MissingWeightsError",
    "Record",
    "RecordError",
    "WeightFile",
    "ZooError",
    "all_records",
    "build",
    "convert",
    "counts",
    "load",
    "names",
    "profile",
    "record",
    "records_folder",
    "weights_path",
    "zoo_folder",
]
