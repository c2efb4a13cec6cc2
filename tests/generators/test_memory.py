"""Memory while converting: bounded, whatever the size of the archive."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

MEASURED = """
import sys
from pathlib import Path
from generators.nasbench201 import generate

def kib(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))

before = kib("VmRSS")
generate(Path(sys.argv[1]), Path(sys.argv[2]))
print(kib("VmHWM") - before)
"""

WRITTEN = """
import sys
from pathlib import Path
from generators.sample.nasbench201 import write_sample

write_sample(Path(sys.argv[1]), architectures=int(sys.argv[2]))
"""

FILE = "NAS-Bench-201-synthetic.pth"
GROWTH = 48 * 1024
"""KiB: a tenth of an archive of 480 MB, a hundredth of the real one. Loaded whole, the archive
below would take seven times as much."""


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_converting_does_not_hold_the_archive_in_memory(tmp_path: Path) -> None:
    # Written and converted by processes of their own: memory once used is not given back.
    for script, *arguments in ((WRITTEN, tmp_path, 370), (MEASURED, tmp_path / FILE, tmp_path)):
        output = subprocess.run(
            [sys.executable, "-c", script, *map(str, arguments)],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    assert (tmp_path / FILE).stat().st_size > 60e6
    assert int(output) < GROWTH
