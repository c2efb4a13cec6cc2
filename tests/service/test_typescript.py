"""A TypeScript client, generated from `/openapi.json`, is compiled strictly and run.

The types that the scripts of the pages state in comments are checked by the same compiler.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from bench_client import BenchClient

REPOSITORY: Final = Path(__file__).resolve().parents[2]
PROGRAM: Final = Path(__file__).parent / "typescript"
SCRIPTS: Final = REPOSITORY / "service/pages/scripts"
TOOLS: Final = REPOSITORY / "build/typescript/node_modules"
WHERE: Final[dict[str, Any]] = {"num_epochs": 200, "dataset": "cifar100"}

pytestmark = pytest.mark.filterwarnings("ignore::bench_client.errors.SyntheticDataWarning")


@pytest.fixture(scope="module")
def node() -> str:
    """What runs the compiler."""
    found = shutil.which("node")
    if found is None or not (TOOLS / ".bin/tsc").exists():
        pytest.skip("the compiler of TypeScript is missing: make typescript")
    return found


@pytest.fixture(scope="module")
def told(node: str, server: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the program was answered."""
    folder = tmp_path_factory.mktemp("typescript")
    for path in PROGRAM.iterdir():
        shutil.copy(path, folder)
    (folder / "node_modules").symlink_to(TOOLS)
    (folder / "openapi.json").write_bytes(httpx.get(f"{server}/openapi.json").content)

    def run(*command: str) -> str:
        ended = subprocess.run(
            [node, *command], cwd=folder, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-4000:]
        return ended.stdout

    generator = "node_modules/.bin/openapi-typescript"
    # What has a default may be left out of a body.
    run(generator, "openapi.json", "--output=schema.d.ts", "--default-non-nullable=false")
    run("node_modules/.bin/tsc", "--project", ".")
    answers: dict[str, Any] = json.loads(run("ask.js", server))
    return answers


def test_its_answers_are_those_of_the_client(told: dict[str, Any], server: str) -> None:
    with BenchClient(server) as bench:
        runs = bench.query_nb201(3, **WHERE)
        best = bench.top("nasbench201", metric="test_acc", n=3, max_flops=200, **WHERE)
        many = bench.query_many("nasbench201", [3, 5], reduction="mean", **WHERE)
    assert runs
    assert told["runs"] == [run.model_dump(mode="json", exclude_unset=True) for run in runs]
    assert told["best"] == [one.model_dump(mode="json", exclude_unset=True) for one in best]
    assert [[item["test_acc"] for item in items] for items in told["many"]] == [
        [item.test_acc for item in items] for items in many
    ]


def test_what_is_refused_is_a_problem(told: dict[str, Any]) -> None:
    assert told["refused"]["status"] == 422
    assert told["refused"]["type"].endswith("invalid-request")


def test_the_scripts_of_the_pages_are_what_their_types_say(node: str, tmp_path: Path) -> None:
    scripts = [Path(shutil.copy(path, tmp_path)) for path in sorted(SCRIPTS.glob("*.js"))]
    # Proves that the check can fail: a number where `Array.from` of a word makes words.
    wrong = tmp_path / "wrong.js"
    wrong.write_text('/** @type {number[]} */\nexport const letters = Array.from("wrong");\n')
    strict = (
        "--noEmit --checkJs --strict --skipDefaultLibCheck "
        "--target esnext --module esnext --moduleResolution node"
    )
    ended = subprocess.run(
        [node, str(TOOLS / ".bin/tsc"), *strict.split(), "--lib", "esnext,dom,dom.iterable"]
        + [path.name for path in [*scripts, wrong]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert scripts
    found = [line for line in ended.stdout.splitlines() if not line.startswith(" ")]
    assert [line.partition("(")[0] for line in found] == ["wrong.js"], ended.stdout[:4000]
