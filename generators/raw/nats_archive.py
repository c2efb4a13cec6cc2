"""The archives of NAS-Bench-201 and NATS-Bench, architecture by architecture.

Two layouts hold the same records: one torch-saved pickle of all architectures (NAS-Bench-201),
and a folder of one bz2-compressed pickle an architecture (NATS-Bench).
"""

from __future__ import annotations

import bz2
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, Final

from benchmark_db.errors import shown
from generators.raw.errors import ArchiveError
from generators.raw.pickle_stream import PickleStream, load_pickle
from generators.raw.torch_archive import open_torch_pickle

__all__ = ["NatsArchive"]

_META: Final = "meta.pickle.pbz2"
_FILE_NAME: Final = re.compile(r"([0-9]{6})\.pickle\.pbz2")
_BUDGETS: Final = {"less": 12, "full": 200}
"""What NAS-Bench-201's own archive calls its budgets, in epochs."""

_EPOCHS: Final = re.compile(r"[0-9]{1,4}")

_MAX_FILE: Final = 64 * 2**20
"""Most bytes a file of one architecture may unpack to; real ones have 400 kB."""
_READ_AHEAD: Final = 8
_SYNTHETIC: Final = "synthetic"


class NatsArchive:
    """An archive in either layout.

    Args:
        path: A `.pth` file or a folder.
        architectures: The published list of architectures, which the archive must have.

    Attributes:
        synthetic: Whether the archive says of itself that its numbers are made up; known once
            `entries` is exhausted.
    """

    def __init__(self, path: Path, architectures: Sequence[str]) -> None:
        self.path = path
        self.synthetic = False
        self._architectures = architectures

    def entries(self) -> Iterator[tuple[int, Mapping[int, Any]]]:
        """Yield each architecture's index and its records by budget in epochs.

        Raises:
            ArchiveError: The archive is not one, damaged, or of another benchmark.
            OSError: It cannot be read.
        """
        pairs = self._folder() if self.path.is_dir() else self._file()
        seen = set()
        for index, records in pairs:
            where = f"architecture {shown(index)}"
            if type(index) is not int or not 0 <= index < len(self._architectures):
                raise ArchiveError(f"{where}: not an index of {len(self._architectures)}")
            if index in seen:
                raise ArchiveError(f"{where}: recorded twice")
            seen.add(index)
            if not isinstance(records, dict):
                raise ArchiveError(f"{where}: its records are no dict ({shown(records)})")
            budgets = {self._budget(name, where): record for name, record in records.items()}
            if len(budgets) < len(records):
                raise ArchiveError(f"{where}: a training budget recorded twice in {shown(records)}")
            for record in budgets.values():
                self._check_identity(record, index, where)
            yield index, budgets

    def _file(self) -> Iterator[tuple[Any, Any]]:
        with open_torch_pickle(self.path) as file:
            stream = PickleStream(file, stream_key="arch2infos")
            yield from stream.pairs()
            self._check_meta(stream.root)

    def _folder(self) -> Iterator[tuple[Any, Any]]:
        meta = self.path / _META
        if not meta.is_file():
            raise ArchiveError(f"{self.path.name} holds no {_META}: not a NATS-Bench folder")
        self._check_meta(_unpacked(meta))
        files = sorted(
            (int(match[1]), file)
            for file in self.path.iterdir()
            if (match := _FILE_NAME.fullmatch(file.name))
        )
        # Decompression takes longer than all else and releases the interpreter.
        with ThreadPoolExecutor(2, "bz2") as pool:
            waiting = iter(files)
            ahead = [
                (i, file, pool.submit(_plain, file)) for i, file in islice(waiting, _READ_AHEAD)
            ]
            while ahead:
                index, file, data = ahead.pop(0)
                ahead += [(i, f, pool.submit(_plain, f)) for i, f in islice(waiting, 1)]
                yield index, _decoded(data.result(), file)

    def _check_meta(self, meta: Any) -> None:
        listed = meta.get("meta_archs") if isinstance(meta, dict) else None
        if listed != list(self._architectures):
            count = len(listed) if isinstance(listed, list) else "no"
            raise ArchiveError(
                f"{self.path.name} lists {count} architectures that are not the published "
                f"{len(self._architectures)}: the archive of another benchmark"
            )
        self.synthetic = bool(meta.get(_SYNTHETIC))

    def _check_identity(self, record: Any, index: int, where: str) -> None:
        named = record.get("arch_str") if isinstance(record, dict) else None
        if named != self._architectures[index]:
            raise ArchiveError(
                f"{where}: its record is of {shown(named, 120)}, not {self._architectures[index]!r}"
            )

    @staticmethod
    def _budget(name: Any, where: str) -> int:
        if name in _BUDGETS:
            return _BUDGETS[name]
        if isinstance(name, str) and _EPOCHS.fullmatch(name):
            return int(name)
        raise ArchiveError(f"{where}: {shown(name)} is not a training budget")


def _unpacked(path: Path) -> Any:
    return _decoded(_plain(path), path)


def _plain(path: Path) -> bytes:
    try:
        with bz2.open(path) as file:
            data = file.read(_MAX_FILE + 1)
    except (OSError, EOFError, ValueError) as error:
        raise ArchiveError(f"{path.name} is damaged: {error}") from error
    if len(data) > _MAX_FILE:
        raise ArchiveError(f"{path.name} unpacks to more than {_MAX_FILE} bytes")
    return data


def _decoded(data: bytes, path: Path) -> Any:
    try:
        return load_pickle(BytesIO(data))
    except ArchiveError as error:
        raise ArchiveError(f"{path.name}: {error}") from error
