"""What a worker offers to jobs by name: data sets and trainers.

A worker reports them, claims jobs by them, and gives them to its attempts. A data set's digest is
found out by whoever reads it, a trainer's by reading its files, without importing it; an attempt
that finds another than its job demands says so, and its worker gets no such job for a day.
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

__all__ = ["Offers", "OffersHere", "datasets_in"]

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_ARCHIVE: Final = ".tar"
_LOOK_SECONDS: Final = 10.0
"""Between two looks at what is installed, which takes tens of milliseconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Offers:
    """What a worker has that jobs need by name.

    Args:
        datasets: Folder or archive of each data set.
        trainers: The trainers of other packages.
    """

    datasets: dict[str, Path] = field(default_factory=dict)
    trainers: dict[str, TrainerCode] = field(default_factory=dict)


class OffersHere:
    """What this machine offers; files and packages come and go, so that it is looked at again.

    Args:
        settings: Name the folder of data sets, and the trainers.
    """

    def __init__(self, settings: JobSettings) -> None:
        self._folder = settings.datasets_dir.expanduser()
        self._names: Sequence[str] = settings.trainer_names
        self._trainers: dict[str, TrainerCode] = {}
        self._looked_at = float("-inf")

    def look(self) -> Offers:
        """Return what is there now; of trainers, what was there some seconds ago at most.

        Raises:
            OSError: The data sets cannot be listed.
        """
        if self._names and time.monotonic() - self._looked_at > _LOOK_SECONDS:
            self._trainers = dict(filter(None, map(_named_trainer, self._names)))
            self._looked_at = time.monotonic()
        return Offers(datasets=datasets_in(self._folder), trainers=self._trainers)


def _named_trainer(name: str) -> tuple[str, TrainerCode] | None:
    try:
        return name, trainer_code(name)
    except (TrainerError, OSError) as error:
        structlog.get_logger().warning("a trainer is not there", trainer=name, reason=str(error))
        return None


def datasets_in(folder: Path) -> dict[str, Path]:
    """Return the data sets in a folder by name.

    They are its folders and its tar files, these without their ending; what begins with a dot is
    none.

    Raises:
        OSError: It cannot be listed, or holds more than a worker may tell: a data set of as many
            classes, it may be.
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
            f"{folder} has {len(found):,} data sets, where at most {MOST_NAMES:,} are told: name "
            "the folder that holds data sets, not one of them"
        )
    return found
