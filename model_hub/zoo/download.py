"""Published weights from their recorded address."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from missing_extra import MissingExtraError, needs
from model_hub.zoo.errors import DownloadError
from model_hub.zoo.records import Record, WeightFile

__all__ = ["download"]

_LONGEST_REASON: Final = 120
"""Characters; what fails without a network tells the story of every attempt."""


def download(file: WeightFile, folder: Path, record: Record) -> Path:
    """Return the published file in a folder, downloaded unless it is there.

    Its digest is for the caller to compare.

    Raises:
        DownloadError: pooch is missing, there is no network, or the address gives no file.
    """
    pooch = _pooch()
    try:
        return Path(pooch.retrieve(file.url, known_hash=None, fname=file.file, path=folder))
    except (OSError, ValueError) as error:  # of requests, and of pooch for odd addresses
        reason = str(error) if len(str(error)) <= _LONGEST_REASON else type(error).__name__
        convert = f"nbs zoo convert {file.file} --model {record.name}"
        raise DownloadError(
            f"cannot download {file.file} of {record.name} from {file.url}: {reason}. "
            "Is there a network, and does the address still answer? If not, get the file from "
            f"elsewhere ({record.origin}) and run `{convert}`"
        ) from error


def _pooch() -> Any:
    try:
        with needs("generate", "downloading"):
            import pooch  # noqa: PLC0415 - the extra may be missing
    except MissingExtraError as error:
        raise DownloadError(str(error)) from error
    pooch.get_logger().setLevel("WARNING")
    return pooch
