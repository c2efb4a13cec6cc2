"""Warnings that point to the line of the user's script, however deep in the packages they arise."""

from __future__ import annotations

import os
import sys
import sysconfig
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final

from missing_extra import PACKAGES

__all__ = ["warn_at_script"]

_ROOT: Final = Path(__file__).parents[1]
_OURS: Final = tuple(f"{_ROOT / package}{os.sep}" for package in PACKAGES)
"""Folders of this project's packages; a script may have a package of the same name elsewhere."""

_PYTHON: Final = (f"{sysconfig.get_path('stdlib')}{os.sep}", "<frozen ")
_LIBRARIES: Final = frozenset({"dist-packages", "site-packages"})
"""Folders of Python and installed libraries, whose frames are not the script's."""


def warn_at_script(message: str, category: type[Warning]) -> None:
    """Issue a warning at the line of the running script.

    That is the innermost frame of a file that belongs neither to this project nor to an installed
    library or Python; if the thread has none, that of the main thread. If everything is installed,
    it is the innermost frame outside this project. (`skip_file_prefixes` of `warnings.warn` needs
    Python 3.12.)

    Args:
        message: Text of the warning.
        category: Class of the warning.
    """
    frame = _script_line()
    warnings.warn_explicit(
        message,
        category,
        filename=frame.f_code.co_filename,
        lineno=frame.f_lineno,
        module=frame.f_globals.get("__name__"),
        # Python records the issued warnings of a module here, by line.
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
    )


def _script_line() -> FrameType:
    # The warnings module uses the same private function.
    here = sys._getframe(2)  # noqa: SLF001
    foreign = [frame for frame in _outwards(here) if not _is_ours(frame)]
    main = sys._current_frames().get(threading.main_thread().ident or 0)  # noqa: SLF001
    of_main = [frame for frame in _outwards(main) if not _is_ours(frame)]
    scripts = (frame for frame in (*foreign, *of_main) if not _is_installed(frame))
    return next(scripts, foreign[0] if foreign else here)


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _is_ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename.startswith(_OURS)


def _is_installed(frame: FrameType) -> bool:
    path = frame.f_code.co_filename
    return path.startswith(_PYTHON) or not _LIBRARIES.isdisjoint(Path(path).parts)
