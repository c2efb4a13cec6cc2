"""Warnings that point at the line of the user's script, however deep in the packages they arise."""

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
"""Where the packages of this project lie; a script may have one of the same name elsewhere."""

_PYTHON: Final = (f"{sysconfig.get_path('stdlib')}{os.sep}", "<frozen ")
_LIBRARIES: Final = frozenset({"dist-packages", "site-packages"})
"""Where Python and libraries lie: between a script and here, theirs are not the script's lines."""


def warn_at_script(message: str, category: type[Warning]) -> None:
    """Warn at the line of the script that is being carried out.

    That is the innermost line of a file that is neither part of this project nor installed as a
    library or with Python; in a thread that was started with none such, that of the main thread.
    Where everything is installed, the innermost line outside this project. (`warnings.warn` can
    leave out files from Python 3.12 on only.)

    Args:
        message: What to say.
        category: The class of the warning.
    """
    frame = _script_line()
    warnings.warn_explicit(
        message,
        category,
        filename=frame.f_code.co_filename,
        lineno=frame.f_lineno,
        module=frame.f_globals.get("__name__"),
        # Where Python keeps what was warned of already, line by line.
        registry=frame.f_globals.setdefault("__warningregistry__", {}),
    )


def _script_line() -> FrameType:
    # What every implementation of warnings uses.
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
