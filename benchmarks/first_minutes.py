"""Runs the code blocks of the README as four new users would, and times each step.

    python benchmarks/first_minutes.py           # in a new clone; writes docs/first-minutes.md
    python benchmarks/first_minutes.py --here    # in this environment; prints JSON

Each user has an empty folder, an empty home directory and a free port, and runs the blocks
unchanged. With --here, which a test uses, nothing is cloned or installed. The last user needs
Chromium; without it, the steps in the browser are skipped.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.error import URLError
from urllib.request import urlopen

REPOSITORY: Final = Path(__file__).resolve().parents[1]
PAGE: Final = REPOSITORY / "docs/first-minutes.md"
BLOCKS: Final = re.findall(
    r"```(console|python)\n(.*?)```", (REPOSITORY / "README.md").read_text(), re.DOTALL
)
ARCHIVE: Final = "NAS-Bench-201-v1_1-096897.pth"
ELSEWHERE: Final = {
    "bench.evaluate(": "tests/service/worker/test_proof.py",
    "docker compose up": "tests/containers/stack.py",
    "pip install '.[server,generate]'": "tests/test_installing.py",
    "model_hub.build(row)": "tests/service/test_first_minutes.py",
}
"""Tests that run other blocks, by a part of the block: these need a worker, a container engine,
another environment, or PyTorch (2.5 GB)."""
FIRST_ANSWER: Final = (
    "/v1/nasbench201/computed-stats?arch=0&num_epochs=200&dataset=cifar100&reduction=mean"
)
PATIENCE: Final = 900.0
"""Seconds after which a step counts as hanging; generous, for slow machines."""
GOALS: Final = {"from a clone to the first answer": 90.0}


run_here: Final[set[str]] = set()
"""The blocks that a user has run."""


def block(part: str) -> str:
    """Return the only block of the README that contains a text, and mark it as run."""
    (found,) = [text for _, text in BLOCKS if part in text]
    run_here.add(found)
    return found


def left_over() -> list[str]:
    """Return the blocks that neither a user nor a test in `ELSEWHERE` runs."""
    return [
        text
        for _, text in BLOCKS
        if text not in run_here and not any(part in text for part in ELSEWHERE)
    ]


def free_port() -> int:
    """Return a free port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Step:
    """A step of a user.

    Attributes:
        user: Name of the user.
        says: Description of the step.
        seconds: Duration.
    """

    user: str
    says: str
    seconds: float


@dataclass
class Place:
    """The environment of a user.

    Attributes:
        folder: The clone, or a folder in its place, with `.venv` and `data`.
        home: An empty home directory.
        make: The command of `make`, without the target.
        port: A free port.
    """

    folder: Path
    home: Path
    make: list[str]
    port: int = field(default_factory=free_port)

    @property
    def url(self) -> str:
        """Address of the server."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables of a new user, and those needed to install packages."""
        kept = ("PATH", "LANG", "SSL_CERT_FILE", "PYTHONDONTWRITEBYTECODE", "TMPDIR")
        mine = {
            name: value
            for name, value in os.environ.items()
            if name in kept or name.startswith("PIP_")
        }
        cache = Path.home() / ".cache/pip"
        return {
            **mine,
            "PIP_CACHE_DIR": str(cache),
            "HOME": str(self.home),
            "NASBENCH_URL": self.url,
            "OMP_NUM_THREADS": "1",
        }

    def run(self, text: str, *, cwd: Path | None = None) -> str:
        """Run a console block with the virtual environment of the clone activated.

        Raises:
            AssertionError: A command failed; the message contains its output.
        """
        script = f"set -e\nsource {self.folder}/.venv/bin/activate\n{text}"
        return self._ended(["bash", "-c", script], cwd)

    def python(self, text: str) -> str:
        """Run a Python block.

        Raises:
            AssertionError: The block failed; the message contains its output.
        """
        return self._ended([str(self.folder / ".venv/bin/python"), "-c", text], None)

    def _ended(self, command: list[str], cwd: Path | None) -> str:
        ended = subprocess.run(
            command,
            cwd=cwd or self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        if ended.returncode:
            raise AssertionError(f"{command[-1]}\n{ended.stdout}\n{ended.stderr}")
        return ended.stdout

    @contextmanager
    def running(self, command: list[str], asking: str = FIRST_ANSWER) -> Iterator[None]:
        """Start a server, wait for its first answer, and stop it at the end of the context.

        Raises:
            AssertionError: The server ends or does not answer.
        """
        with (
            tempfile.TemporaryFile("w+") as told,
            subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=told,
                stderr=told,
                start_new_session=True,
            ) as process,
        ):
            try:
                if not _answers(self.url + asking, process):
                    told.seek(0)
                    raise AssertionError(f"{command} does not answer:\n{told.read()}")
                yield
            finally:
                if process.poll() is None:
                    os.killpg(process.pid, signal.SIGINT)
                process.wait(60)

    def serving(self) -> Any:
        """Run the README's `make serve`."""
        (line,) = block("make serve").splitlines()
        return self.running([*self.make, *line.split()[1:], f"PORT={self.port}"])


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urlopen(url, timeout=30) as answer:  # noqa: S310 - our own server
                return bool(json.load(answer)["items"])
        except (URLError, ConnectionError, TimeoutError):
            time.sleep(0.1)
    return False


class Diary:
    """Records the steps of all users."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.figures: dict[str, float] = {}

    @contextmanager
    def step(self, user: str, says: str) -> Iterator[None]:
        """Time a step and record it."""
        begun = time.monotonic()
        yield
        self.steps.append(Step(user, says, time.monotonic() - begun))
        sys.stderr.write(f"{user}: {says}: {self.steps[-1].seconds:.1f} s\n")


def student(place: Place, diary: Diary) -> None:
    """Serve the sample, query it, and compare two strategies."""
    who = "student"
    begun = time.monotonic()
    with place.serving():
        diary.steps.append(Step(who, "`make serve`, to the first answer", time.monotonic() - begun))
        diary.figures["from a clone to the first answer"] = diary.steps[-1].seconds
        for says, part in (
            ("the first query in Python", "for run in bench.query_nb201(0"),
            ("ten lines to a regret plot of two strategies", "plot_regret("),
            ("every kind of query of NAS-Bench-201", "bench.query_nb201_many("),
            ("NAS-Bench-101 and NDS", "bench.query_nb101("),
            ("queries without a server", 'BenchClient.local("data")'),
            ("the best, the front, a simulated clock", "clock = bench.simulate("),
        ):
            with diary.step(who, says):
                place.python(block(part))
        assert (place.folder / "regret.svg").read_text().startswith("<?xml")  # noqa: S101 - it is one


def terminal_user(place: Place, diary: Diary) -> None:
    """Query with command-line tools only."""
    who = "terminal user"
    with place.serving():
        with diary.step(who, "`nbs query`, `nbs top` and `curl`"):
            said = place.run(block("nbs top "))
        assert said.count("test_acc") > 2  # noqa: PLR2004, S101 - one per command
        with diary.step(who, "`nbs start`, which lists the next steps"):
            assert "nbs generate" in place.run("nbs start")  # noqa: S101


def administrator(place: Place, diary: Diary) -> None:
    """Check the installation; convert, verify and serve an archive."""
    who = "administrator"
    found = block("nbs doctor")
    (doctor,) = [line for line in found.splitlines() if line.startswith("nbs doctor")]
    with diary.step(who, "`nbs doctor`"):
        # No server is running yet that it could query.
        place.run(f"unset NASBENCH_URL; {doctor.partition('#')[0].strip()} --port {place.port}")
    raw = place.home / "raw"
    place.run(f"nbs sample {raw} --architectures 3")
    (raw / "NAS-Bench-201-synthetic.pth").rename(place.folder / ARCHIVE)
    *before, last = block(f"nbs generate nasbench201 {ARCHIVE}").splitlines()
    with diary.step(who, "`nbs generate` and `nbs verify`, with three synthetic architectures"):
        place.run("\n".join(before))
    serve = f"source .venv/bin/activate; exec {last} --port {place.port}"
    begun = time.monotonic()
    with place.running(["bash", "-c", serve]):
        diary.steps.append(Step(who, "`nbs serve`, to the first answer", time.monotonic() - begun))


def onlooker(place: Place, diary: Diary) -> None:
    """Open the explorer in a browser and click through to a plot."""
    who = "browser user"
    with place.serving():
        with diary.step(who, "`nbs start look`, which prints the address"):
            address = place.run(block("nbs start look")).split()[-1]
        chromium = shutil.which("chromium-headless-shell") or shutil.which("chromium")
        if chromium is None:
            return
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - optional

        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.set_default_timeout(60_000)
            with diary.step(who, "the page of NAS-Bench-201, with all 15,625 points"):
                page.goto(address)
                page.wait_for_selector('main[data-state="ready"]')
            if shots := os.environ.get("SCREENSHOTS"):
                page.screenshot(path=f"{shots}/first-minutes.png", full_page=True)
            page.goto(place.url)
            with diary.step(who, "one click from the first page to the same plot"):
                page.click('main a[href*="explore/nasbench201"]')
                page.wait_for_selector(".u-over")
            browser.close()


USERS: Final[tuple[Callable[[Place, Diary], None], ...]] = (
    student,
    terminal_user,
    administrator,
    onlooker,
)


def cloned(folder: Path, diary: Diary) -> Place:
    """Clone the repository and return the place of its user."""
    home = folder / "home"
    home.mkdir()
    clone = folder / "clone"
    with diary.step("student", "`git clone`, from this disk"):
        command = ["git", "clone", "--quiet", str(REPOSITORY), str(clone)]
        subprocess.run(command, check=True)
    return Place(clone, home, ["make"])


def here(folder: Path) -> Place:
    """Return a place that uses the current environment instead of installing one."""
    stand, home = folder / "clone", folder / "home"
    home.mkdir()
    stand.mkdir()
    (stand / ".venv").symlink_to(sys.prefix)
    make = ["make", "-C", str(REPOSITORY), f"--old-file={sys.prefix}/.server"]
    return Place(stand, home, [*make, f"VENV={sys.prefix}", f"DATA={stand / 'data'}"])


def report(diary: Diary) -> str:
    """Return the text of docs/first-minutes.md."""
    rows = "".join(f"| {one.user} | {one.says} | {one.seconds:.1f} s |\n" for one in diary.steps)
    total = sum(one.seconds for one in diary.steps)
    reached = "".join(
        f"| {what} | {diary.figures[what]:.0f} s | {goal:.0f} s |\n" for what, goal in GOALS.items()
    )
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    return f"""# The first minutes, timed

Four new users follow the [README](../README.md) in a new clone with an empty home directory.
`python benchmarks/first_minutes.py` runs the README's code blocks unchanged and writes this page. A
test runs them as well, without cloning and installing.

Measured on {os.cpu_count()} cores beside other programs (load averages at the end: {load}),
with Python {platform.python_version()} and the packages cached on the disk. {total:.0f} s in all.

| who | what | time |
|---|---|---|
{rows}
| figure | measured | goal |
|---|---|---|
{reached}
From there, a plot in the browser is one click away (last row). Blocks that need PyTorch, a worker
or a container engine are not timed, because installing these takes longer than all of this.
"""


def main() -> None:
    """Run all users, and write the page or print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--here", action="store_true", help="install nothing and print JSON")
    given = parser.parse_args()
    diary = Diary()
    with tempfile.TemporaryDirectory() as folder:
        place = here(Path(folder)) if given.here else cloned(Path(folder), diary)
        for user in USERS:
            user(place, diary)
    if left := left_over():
        raise SystemExit(f"neither a user nor a test runs this block of the README:\n{left[0]}")
    if given.here:
        print(json.dumps([asdict(step) for step in diary.steps]))
    else:
        PAGE.write_text(report(diary))


if __name__ == "__main__":
    main()
