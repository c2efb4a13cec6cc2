"""The identity of a database: a digest of what it answers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import islice
from typing import Final

import orjson

from benchmark_db.items import Row

__all__ = ["content_digest"]

_END_OF_CHUNK: Final = b"\n"
_ROWS_IN_CHUNK: Final = 1000
"""Rows digested together, column by column: part of what the digest means."""


def content_digest(runs: Iterable[Row]) -> str:
    """Return ``sha256:…`` over all runs in key order.

    Two databases answer alike if and only if their digests are equal: the digest covers every
    configuration, statistic and curve, and neither the archive's layout nor the time of making.
    """
    digest = hashlib.sha256()
    rows = iter(runs)
    while chunk := list(islice(rows, _ROWS_IN_CHUNK)):
        *columns, curves = zip(*chunk, strict=True)
        packed = [data or b"" for data in curves]
        digest.update(orjson.dumps([*columns, [len(data) for data in packed]]) + _END_OF_CHUNK)
        digest.update(b"".join(packed))
    return f"sha256:{digest.hexdigest()}"
