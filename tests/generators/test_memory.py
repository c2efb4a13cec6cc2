"""Memory while converting: bounded, whatever the size of the archive."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from forked_nbs import run_forked

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
import pickle, sys, zipfile
from pathlib import Path
from benchmark_db.nasbench201.architecture import arch_strs
from generators.sample.nasbench201 import write_sample

path = write_sample(Path(sys.argv[1]), architectures=10)
with zipfile.ZipFile(path) as container:
    archive = pickle.loads(container.read("archive/data.pkl"))
made = [pickle.dumps(budgets) for budgets in archive["arch2infos"].values()]
for index in range(len(made), int(sys.argv[2])):
    budgets = pickle.loads(made[index % len(made)])  # shares nothing with what it equals
    for record in budgets.values():
        record["arch_str"] = arch_strs()[index]
    archive["arch2infos"][index] = budgets
with zipfile.ZipFile(path, "w") as container:
    container.writestr("archive/data.pkl", pickle.dumps(archive, 2))
"""

FILE = "NAS-Bench-201-synthetic.pth"
GROWTH = 48 * 1024
"""KiB: a tenth of an archive of 480 MB, a hundredth of the real one. Loaded whole, the archive
below would take four times as much."""


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_converting_does_not_hold_the_archive_in_memory(tmp_path: Path) -> None:
    # Written and converted by processes of their own: memory once used is not given back.
    for script, *arguments in ((WRITTEN, tmp_path, 210), (MEASURED, tmp_path / FILE, tmp_path)):
        done = run_forked(
            script, *map(str, arguments), modules=("generators.nasbench201",), env=dict(os.environ)
        )
        assert (done.stderr, done.returncode) == ("", 0)
    assert (tmp_path / FILE).stat().st_size > 34e6
    assert int(done.stdout) < GROWTH
