"""Where the raw archives are published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["RAW_FILES", "RawFile"]


@dataclass(frozen=True, kw_only=True)
class RawFile:
    """A file as published.

    Attributes:
        name: Its name, there and on a mirror.
        url: Its address; None where it can only be fetched by hand.
        page: Where people find it.
    """

    name: str
    url: str | None = None
    page: str


_NASBENCH101: Final = "https://github.com/google-research/nasbench"
_NASBENCH201: Final = "https://github.com/D-X-Y/NAS-Bench-201#preparation-and-download"
_NATS_BENCH: Final = "https://github.com/D-X-Y/NATS-Bench#preparation-and-download"

RAW_FILES: Final[Mapping[str, tuple[RawFile, ...]]] = {
    "nasbench101": (
        RawFile(
            name="nasbench_full.tfrecord",
            url="https://storage.googleapis.com/nasbench/nasbench_full.tfrecord",
            page=_NASBENCH101,
        ),
        RawFile(
            name="nasbench_only108.tfrecord",
            url="https://storage.googleapis.com/nasbench/nasbench_only108.tfrecord",
            page=_NASBENCH101,
        ),
    ),
    "nasbench201": (
        RawFile(name="NAS-Bench-201-v1_1-096897.pth", page=_NASBENCH201),
        RawFile(name="NAS-Bench-201-v1_0-e61699.pth", page=_NASBENCH201),
        RawFile(name="NATS-tss-v1_0-3ffb9-simple.tar", page=_NATS_BENCH),
        RawFile(name="NATS-tss-v1_0-3ffb9.pickle.pbz2", page=_NATS_BENCH),
    ),
    "natssss": (
        RawFile(name="NATS-sss-v1_0-50262-simple.tar", page=_NATS_BENCH),
        RawFile(name="NATS-sss-v1_0-50262.pickle.pbz2", page=_NATS_BENCH),
    ),
    "nds": (
        RawFile(
            name="data.zip",
            url="https://dl.fbaipublicfiles.com/nds/data.zip",
            page="https://github.com/facebookresearch/nds",
        ),
    ),
    "hw-nas-bench": (
        RawFile(
            name="HW-NAS-Bench-v1_0.pickle",
            page="https://github.com/RICE-EIC/HW-NAS-Bench",
        ),
    ),
}
"""The files of each benchmark, the usual one first."""
