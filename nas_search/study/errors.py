"""What can go wrong with a study, named after what to do about it.

StudyError
├── DamagedRunError         record the run again: its file is not what was written
├── IncomparableRunsError   leave some out: the runs do not measure the same, or lack an oracle
└── PlotError               choose PNG or SVG, or install the extra
"""

from __future__ import annotations

__all__ = ["DamagedRunError", "IncomparableRunsError", "PlotError", "StudyError"]


class StudyError(ValueError):
    """Base of every error of a study."""


class DamagedRunError(StudyError):
    """A file holds no recorded run, or one that contradicts itself."""


class IncomparableRunsError(StudyError):
    """Runs do not measure the same, or there is no oracle to measure them against."""


class PlotError(StudyError):
    """A plot cannot be drawn."""
