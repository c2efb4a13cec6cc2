"""The data sets and trainers that a worker offers to jobs by name.

A worker registers them, claims jobs that need them, and passes them to its attempts. The digest of
a data set is computed by the attempt that reads it, the digest of a trainer by reading its files
without importing it. If an attempt finds another digest than its job requires, the worker gets no
job with that requirement for a day.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog

from nas_search.errors import TrainerError
from nas_search.trainers import TrainerCode, trainer_code
from service.jobs.settings import JobSettings
from service.jobs.worker_wire import MOST_NAMES

__all__ = ["LocalOffers", "Offers", "datasets_in"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_ARCHIVE: Final = ".tar"
_REFRESH_SECONDS: Final = 10.0
"""Pause between two searches for installed trainers, which take tens of milliseconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Offers:
    """Data sets and trainers by name.

    Args:
        datasets: Folder or archive of each data set.
        trainers: The trainers of other packages.
    """

    datasets: dict[str, Path] = field(default_factory=dict)
    trainers: dict[str, TrainerCode] = field(default_factory=dict)


class LocalOffers:
    """The offers of this machine, searched for repeatedly as files and packages change.

    Args:
        settings: Name the folder of data sets and the trainers.
    """

    def __init__(self, settings: JobSettings) -> None:
        self._folder = settings.datasets_dir.expanduser()
        self._names: Sequence[str] = settings.trainer_names
        self._trainers: dict[str, TrainerCode] = {}
        self._refreshed_at = float("-inf")

    def current(self) -> Offers:
        """Return the current offers; the trainers may be some seconds old.

        Raises:
            OSError: The data sets cannot be listed.
        """
        if self._names and time.monotonic() - self._refreshed_at > _REFRESH_SECONDS:
            self._trainers = dict(filter(None, map(_named_trainer, self._names)))
            self._refreshed_at = time.monotonic()
        return Offers(datasets=datasets_in(self._folder), trainers=self._trainers)


def _named_trainer(name: str) -> tuple[str, TrainerCode] | None:
    try:
        return name, trainer_code(name)
    except (TrainerError, OSError) as error:
        structlog.get_logger().warning("a trainer is not there", trainer=name, reason=str(error))
        return None


def datasets_in(folder: Path) -> dict[str, Path]:
    """Return the data sets in a folder by name.

    A data set is a folder, or a tar file, which is named without its ending. Names that begin with
    a dot are ignored.

    Raises:
        OSError: The folder cannot be listed, or has more entries than a worker may register. It may
            be a data set itself, with a folder per class.
    """
    if not folder.is_dir():
        return {}
    found = {}
    for path in sorted(folder.iterdir()):
        name = path.name.removesuffix(_ARCHIVE)
        is_one = path.is_dir() or (path.suffix == _ARCHIVE and path.is_file())
        if is_one and _NAME.fullmatch(name):
            found[name] = path
    if len(found) > MOST_NAMES:
        raise OSError(
            f"{folder} has {len(found):,} data sets, but a worker offers at most {MOST_NAMES:,}: "
            "name the folder that contains data sets, not one of them"
        )
    return found
