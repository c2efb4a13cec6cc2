"""Whatever is not installed: the error names the extra that brings it."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from forked_nbs import run_forked

from missing_extra import MissingExtraError, install_command, needs, refuse_missing

REPOSITORY = Path(__file__).resolve().parents[1]
JOBS = "from service.jobs import JobSettings, open_jobs; open_jobs(JobSettings"
SIZES = "'natssss', '8:8:8:8:8', dataset='cifar10'"


OTHERS = (
    *("numpy", "torch", "pydantic", "pydantic_settings", "httpx", "fastapi", "uvicorn", "typer"),
    *("rich.console", "structlog", "PIL.Image", "onnx", "onnxruntime"),
)
"""What others made and takes long to import: it is there unless it is what is missing."""
BLOCKING = """
import sys, warnings
warnings.simplefilter("ignore")
for name in [*sys.modules]:
    if name.startswith(MISSING + "."):
        del sys.modules[name]
sys.modules[MISSING] = None
"""


def ran(code: str, missing: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process that does not find a module."""
    return run_forked(
        f"MISSING = {missing!r}\n{BLOCKING}{code}",
        modules=OTHERS,
        env={"PATH": os.environ["PATH"], **environment},
    )


def started(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process that finds what its environment says."""
    return subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "PYTHONWARNINGS": "ignore", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_command_is_told_where_distutils_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of a module that is loaded nobody is asked, and what warns is an error here.
    monkeypatch.delitem(sys.modules, "pip", raising=False)
    monkeypatch.setitem(sys.modules, "distutils", ModuleType("distutils"))
    assert "install" in install_command("hub")


@pytest.mark.parametrize(
    ("code", "missing", "extra"),
    [
        ("import model_hub", "numpy", "hub"),
        (f"import model_hub; model_hub.build({SIZES})", "torch", "hub"),
        ("import model_hub.counting", "torch", "hub"),
        ("import model_hub.latency", "torch", "hub"),
        ("import model_hub.running", "torch", "hub"),
        ("import model_hub.evaluation", "torch", "hub"),
        ("import nas_search.training", "torch", "hub"),
        ("import nas_search.proxies", "torch", "hub"),
        ("import model_hub.evaluation", "PIL", "hub"),
        ("from model_hub import zoo; zoo.build('spos')", "torch", "hub"),
        ("from model_hub import zoo; zoo.profile('spos')", "torch", "hub"),
        ("from model_hub import zoo; zoo.load('spos')", "safetensors", "hub"),
        ("from model_hub import zoo; zoo.convert('x.pth', 'spos')", "safetensors", "hub"),
        (
            "import model_hub as m; s = m.space('NASBERT'); s.profile(s.choices.default)",
            "torch",
            "hub",
        ),
        (
            "import bench_client as c; c.BenchClient('http://127.0.0.1:9').materialize('nds', {})",
            "torch",
            "hub",
        ),
        ("import nas_search.study as s; s.plot_regret([], 'r.png')", "matplotlib", "study"),
        ("from bench_client import Items, Job; Items([], Job).to_pandas()", "pandas", "pandas"),
        ("from bench_client import Items, Job; Items([], Job).to_polars()", "polars", "polars"),
        ("from bench_client import Items, Job; Items([], Job).to_arrow()", "arro3", "export"),
        ("from benchmark_db.export_formats import _arrow; _arrow()", "arro3", "export"),
        (f"{JOBS}(jobs_url='postgresql://x/y')).__enter__()", "psycopg", "cluster"),
        (f"{JOBS}(redis_url='redis://127.0.0.1:9')).__enter__()", "redis", "cluster"),
        (f"{JOBS}(artifacts_url='s3://lab/x')).__enter__()", "obstore", "s3"),
        ("import runpy; runpy.run_path('examples/optuna_study.py')", "optuna", "optuna"),
        ("import runpy; runpy.run_path('examples/nasbench_style.py')", "numpy", "local"),
        ("import runpy; runpy.run_path('examples/train_on_digits.py')", "torch", "dev"),
        ("import runpy; runpy.run_path('examples/own_benchmark.py')", "sklearn", "dev"),
    ],
)
def test_a_module_that_is_missing_is_named_with_its_extra(
    code: str, missing: str, extra: str
) -> None:
    ended = ran(code, missing)
    assert ended.returncode == 1
    last = ended.stderr.strip().splitlines()[-1]
    assert f"needs {missing}: {install_command(extra)}" in last


@pytest.mark.parametrize(
    ("arguments", "missing", "extra"),
    [
        ("['worker']", "torch", "worker"),
        ("['worker', '--device', 'cpu']", "torch", "worker"),
        ("['worker']", "PIL", "worker"),
        ("['worker']", "safetensors", "worker"),
        ("['worker']", "onnx", "worker"),
        ("['worker']", "onnxscript", "worker"),
        ("['worker']", "onnxruntime", "worker"),
        ("['worker']", "huey", "worker"),
        ("['worker']", "structlog", "worker"),
        ("['worker', '--ray', 'auto']", "ray", "ray"),
        ("['serve']", "uvicorn", "server"),
        (f"['serve', '--data', '{REPOSITORY}', '--port', '0']", "obstore", "s3"),
        ("['worker', '--device', 'cpu']", "obstore", "s3"),
        ("['zoo', 'info', 'spos']", "torch", "hub"),
        ("['info']", "peewee", "cli"),
        ("['top', 'nasbench201', '--metric', 'test_acc']", "numpy", "local"),
        ("['top', 'nasbench201']", "typer", "cli"),
    ],
)
def test_a_command_says_so_in_a_line_and_does_not_begin(
    tmp_path: Path, arguments: str, missing: str, extra: str
) -> None:
    code = f"sys.argv = ['nbs', *{arguments}]; from service.cli import main; main()"
    if missing == "obstore":
        code = f"import os; os.environ['NASBENCH_ARTIFACTS_URL'] = 's3://lab/x'; {code}"
    ended = ran(code, missing, HOME=str(tmp_path), NASBENCH_JOBS_DIR=str(tmp_path / "jobs"))
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith("nbs: ")
    assert line.endswith(f" needs {missing}: {install_command(extra)}")
    assert ended.stdout == ""


def test_a_worker_whose_libraries_cannot_be_loaded_does_not_begin(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "torch.py").write_text("raise OSError('libtorch.so: cannot open shared object')")
    code = "sys.argv = ['nbs', 'worker']; from service.cli import main; main()"
    ended = started(
        f"import sys; {code}",
        PYTHONPATH=str(broken),
        HOME=str(tmp_path),
        NASBENCH_JOBS_DIR=str(tmp_path / "jobs"),
    )
    assert ended.returncode == 1
    (line,) = ended.stderr.splitlines()
    assert line.startswith(
        "nbs: a worker cannot import what jobs need (OSError: libtorch.so: cannot"
    )
    assert install_command("worker") in line


def test_a_part_of_ours_is_not_blamed_on_an_extra() -> None:
    with pytest.raises(ModuleNotFoundError) as caught, needs("hub", "a test"):
        raise ModuleNotFoundError("gone", name="model_hub.gone")
    assert type(caught.value) is ModuleNotFoundError


def test_the_outermost_need_is_told() -> None:
    with (
        pytest.raises(MissingExtraError, match=r"all needs torch: .*\[worker\]") as caught,
        needs("worker", "all"),
        needs("hub", "a part"),
    ):
        raise ModuleNotFoundError("gone", name="torch.nn")
    assert (caught.value.name, caught.value.extra) == ("torch", "worker")


def test_what_is_loaded_later_is_looked_for_at_once() -> None:
    refuse_missing("hub", "a test", "json", "sys")
    with pytest.raises(MissingExtraError, match=r"a test needs no_such_module: .*pip install"):
        refuse_missing("hub", "a test", "json", "no_such_module")


def test_the_error_reaches_other_processes() -> None:
    error = pickle.loads(pickle.dumps(MissingExtraError("hub", "a test", "torch")))
    assert isinstance(error, ModuleNotFoundError)
    assert install_command("hub") in str(error)


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        (None, "pip install 'nas-bench-service[hub]'"),
        (
            {"url": "file://{folder}", "dir_info": {"editable": True}},
            "pip install --editable '{folder}[hub]'",
        ),
        ({"url": "file://{folder}", "dir_info": {}}, "pip install '{folder}[hub]'"),
        (
            {"url": "file://{folder}/a%20lab", "dir_info": {}},
            "pip install '{folder}/a lab[hub]'",
        ),
        (
            {"url": "file:///no/such/place", "dir_info": {"editable": True}},
            "pip install '.[hub]' in a clone of nas-bench-service",
        ),
        (
            {
                "url": "https://lab.example/nas.git",
                "vcs_info": {"vcs": "git", "requested_revision": "main", "commit_id": "ab12"},
            },
            "pip install 'nas-bench-service[hub] @ git+https://lab.example/nas.git@ab12'",
        ),
        (
            {"url": "https://lab.example/nas_bench_service.whl", "archive_info": {}},
            "pip install 'nas-bench-service[hub] @ https://lab.example/nas_bench_service.whl'",
        ),
    ],
    ids=["index", "editable", "clone", "spaces", "gone", "git", "wheel"],
)
def test_the_command_installs_from_where_this_installation_came(
    tmp_path: Path, origin: dict[str, object] | None, command: str
) -> None:
    """An installation of its own, in front of this one: pip's note beside empty metadata."""
    (tmp_path / "a lab").mkdir()
    note = tmp_path / "nas_bench_service-9.dist-info"
    note.mkdir()
    (note / "METADATA").write_text("Metadata-Version: 2.1\nName: nas-bench-service\nVersion: 9\n")
    if origin is not None:
        told = json.dumps(origin).replace("{folder}", str(tmp_path))
        (note / "direct_url.json").write_text(told)
    path = f"{Path(sys.executable).parent}:/usr/bin"
    code = "from missing_extra import install_command; print(install_command('hub'))"
    ended = started(code, PYTHONPATH=f"{tmp_path}:{REPOSITORY}", PATH=path)
    assert ended.stdout == command.replace("{folder}", str(tmp_path)) + "\n"
    # Where the environment is not activated, another `pip` would answer.
    ended = started(code, PYTHONPATH=f"{tmp_path}:{REPOSITORY}", PATH="/usr/bin:/bin")
    assert ended.stdout.startswith(f"{sys.executable} -m pip install ")
