"""Databases that are not as they should be."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from benchmark_db.digests import seal

Altered: TypeAlias = Callable[..., Path]


@pytest.fixture
def resealed() -> Callable[[Path], Path]:
    """Gives a file that was altered the checksum it has now, and gives its path."""

    def reseal(path: Path) -> Path:
        file = os.open(path, os.O_RDWR)
        seal(file)
        os.close(file)
        return path

    return reseal


@pytest.fixture
def altered(sample_database: Path, tmp_path: Path) -> Altered:
    """Copies the sample's database and runs SQL on the copy, then gives its path."""

    def alter(*statements: str) -> Path:
        copy = Path(shutil.copy(sample_database, tmp_path / "nasbench201.db"))
        connection = sqlite3.connect(copy, isolation_level=None)
        for statement in statements:
            connection.execute(statement)
        connection.close()
        return copy

    return alter
