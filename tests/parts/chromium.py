"""The browser of the distribution, for the tests of the pages."""

from __future__ import annotations

import shutil
from typing import Final

__all__ = ["CHROMIUM", "MISSING"]

# The shell, the browser without windows and extensions, takes a third of the processor time.
CHROMIUM: Final = shutil.which("chromium-headless-shell") or shutil.which("chromium")
"""Its program; None where there is none."""
MISSING: Final = "no Chromium here: `apt-get install chromium-headless-shell` makes this test run"
