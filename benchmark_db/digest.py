"""The identity of a database: a digest of what it answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Final

import orjson

from benchmark_db.items import Row

__all__ = ["content_digest"]

_END_OF_ROW: Final = b"\n"


def content_digest(runs: Iterable[Row]) -> str:
    """Return ``sha256:…`` over all runs in key order.

    Two databases answer alike if and only if their digests are equal: the digest covers every
    configuration, statistic and curve, and neither the archive's layout nor the time of making.
    """
    digest = hashlib.sha256()
    for *columns, curves in runs:
        packed = curves or b""
        digest.update(orjson.dumps([*columns, len(packed)]) + _END_OF_ROW + packed)
    return f"sha256:{digest.hexdigest()}"
