"""Pictures over HTTP: a policy for their style alone, and hostile architectures refused."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest

from service.http.request_middleware import security_headers

REPOSITORY = Path(__file__).resolve().parents[2]
PATH = "/v1/nasbench201/picture"
STAGES = {"ds": [1, 12], "ss": [1, 1], "ws": [16, 24]}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_policy_allows_the_style_of_the_picture_and_nothing_else(
    http: httpx.Client, theme: str
) -> None:
    answer = http.get(PATH, params={"arch": "0", "theme": theme})
    assert answer.headers["Content-Type"].startswith("image/svg+xml")
    (style,) = re.findall("<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = b64encode(hashlib.sha256(style.encode()).digest()).decode()
    (policy,) = answer.headers.get_list("Content-Security-Policy")
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'; sandbox"
    )
    assert ET.fromstring(answer.text).tag.endswith("svg")  # noqa: S314 - our own
    tag = answer.headers["ETag"]
    again = http.get(PATH, params={"arch": "0", "theme": theme}, headers={"If-None-Match": tag})
    assert again.status_code == 304


def test_no_other_answer_below_v1_brings_a_policy() -> None:
    brought = ((b"content-security-policy", b"default-src *"),)
    for path in ("/v1/nasbench201/column", "/v1/jobs/picture/artifacts/picture", "/v1/a/b/picture"):
        policies = [v for n, v in security_headers(path, "http", brought) if n == brought[0][0]]
        assert policies == [b"default-src 'none'; frame-ancestors 'none'; sandbox"]


@pytest.mark.parametrize(
    ("benchmark", "arch", "texts"),
    [
        ("nasbench101", json.dumps({"op1": "conv3x3", "input1": [0], "input2": [1]}), ["output"]),
        ("natssss", "8:16:24:32:64", ["layer 5", "64"]),
        ("nds", json.dumps({"model_spec": STAGES}), ["12 blocks", "24"]),
    ],
)
def test_each_space_is_drawn_by_what_it_chooses(
    http: httpx.Client, benchmark: str, arch: str, texts: list[str]
) -> None:
    drawn = http.get(f"/v1/{benchmark}/picture", params={"arch": arch}).text
    assert all(f">{text}<" in drawn for text in texts)


def nds(model: Any, **cells: Any) -> str:
    return json.dumps({"model_spec": model, "cell_spec": cells})


WHOLE = {
    **{f"{c}_0_op_{s}": "<script>" for c in ("normal", "reduce") for s in "xy"},
    **{f"{c}_0_input_{s}": 0 for c in ("normal", "reduce") for s in "xy"},
    **{f"{c}_concat": [2] for c in ("normal", "reduce")},
}
NODE = {"normal_0_op_x": "skip", "normal_0_input_x": 0, "normal_0_op_y": "pool"}


@pytest.mark.parametrize(
    ("benchmark", "arch"),
    [
        ("nasbench201", "x"),
        ("nasbench201", "|" * 10_000),
        ("nasbench201", "[" * 10_000),
        ("nasbench201", "9" * 16_385),
        ("nasbench101", "0" * 32),
        ("natssss", "8:16"),
        ("nds", "{}"),
        ("nds", nds({"ws": [16]})),
        ("nds", nds({**STAGES, "ws": [1e308, 1]})),
        ("nds", nds({**STAGES, "ws": [1.5, 1]})),
        ("nds", nds({**STAGES, "ws": [-1, 1]})),
        ("nds", nds({**STAGES, "ws": [True, 1]})),
        ("nds", nds({**STAGES, "ws": ["<script>", 1]})),
        ("nds", nds({**STAGES, "ws": [1] * 65, "ds": [1] * 65})),
        ("nds", nds({**STAGES, "ds": [1]})),
        ("nds", nds({"num_nodes_normal": 1, "num_nodes_reduce": 1}, **NODE)),
        ("nds", nds({"num_nodes_normal": 1e9, "num_nodes_reduce": 1}, **NODE)),
        ("nds", nds({"num_nodes_normal": 1, "num_nodes_reduce": 1}, **WHOLE)),
        ("nds", nds({"\u0000": 1}, **NODE)),
        ("nds", nds(STAGES, normal_0_op_x="\u202e")),
    ],
)
def test_what_cannot_be_drawn_is_told(http: httpx.Client, benchmark: str, arch: str) -> None:
    answer = http.get(f"/v1/{benchmark}/picture", params={"arch": arch})
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["loc"] == ["query", "arch"]
    assert len(answer.content) < 2000


def test_a_theme_that_there_is_not_is_told(http: httpx.Client) -> None:
    answer = http.get(PATH, params={"arch": "0", "theme": "sepia"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["loc"] == ["query", "theme"]


def test_pictures_need_no_pytorch() -> None:
    program = """
import sys
import service.app
assert "model_hub" not in sys.modules, "a server would start slower"
from bench_client.pictures import svg_of
for drawing in (
    {"title": "t", "row": {"benchmark": "nasbench101", "arch": {"input1": [0]}}},
    {"title": "t", "choices": ["a", "b"]},
    {"title": "t", "bars": [("a", 1)]},
):
    assert svg_of(drawing, "dark").startswith("<svg")
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=REPOSITORY)
