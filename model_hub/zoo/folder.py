"""Where weights and the user's own records lie."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

__all__ = ["records_folder", "weights_path", "zoo_folder"]

_VARIABLE: Final = "NASBENCH_ZOO_DIR"
_DEFAULT: Final = "~/.nasbenchmark/zoo"


def zoo_folder() -> Path:
    """Return the folder of weights: $NASBENCH_ZOO_DIR, else ~/.nasbenchmark/zoo."""
    return Path(os.environ.get(_VARIABLE) or _DEFAULT).expanduser()


def records_folder() -> Path:
    """Return the folder of the user's own records, `records` in that of the weights."""
    return zoo_folder() / "records"


def weights_path(name: str) -> Path:
    """Return where the weights of a searched model belong."""
    return zoo_folder() / f"{name}.safetensors"
