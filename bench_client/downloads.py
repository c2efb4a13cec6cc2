"""Answers that go into a file, and are there whole or not at all."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeVar
from uuid import uuid4

from pydantic import BaseModel

from bench_client.operations import Question

__all__ = ["Download", "replacing"]

A = TypeVar("A", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Download(Question[A], ABC):
    """A question whose answer goes into a file; each kind says how it is known and described.

    Attributes:
        opened: Opens the file, and at the end puts it in its place; after an error it leaves
            nothing behind.
    """

    opened: Callable[[], AbstractContextManager[BinaryIO]] = field(kw_only=True)

    @property
    @abstractmethod
    def media_type(self) -> str:
        """What HTTP calls its format."""

    @property
    def most(self) -> int | None:
        """Bytes that the file may have, where that is known; None: any number."""
        return None

    @abstractmethod
    def described(self, headers: Mapping[str, str]) -> A | None:
        """Return what the headers of the answer say of it; None where it is another's answer."""


@contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """Open a file beside its place, and move it there when all is written."""
    if target.is_dir():
        raise IsADirectoryError(f"{target} is a folder: name a file in it")
    part = target.with_name(f".{uuid4().hex}.part")
    try:
        with part.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
