"""Whole columns over HTTP: bytes, headers, copies that are kept, and what is refused."""

from __future__ import annotations

import gzip
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest

from bench_client.models.run_columns import RUN_COLUMNS

PART = {"dataset": "cifar100", "num_epochs": "200"}
PATH = "/v1/nasbench201/column"


def raw(http: httpx.Client, packing: str, **query: str) -> httpx.Response:
    """Ask for a column; the body is left as it came."""
    headers = {"Accept-Encoding": packing}
    with http.stream("GET", PATH, params={**PART, **query}, headers=headers) as response:
        response.raw = b"".join(response.iter_raw())  # type: ignore[attr-defined]
    return response


def problem(http: httpx.Client, path: str, query: dict[str, str]) -> dict[str, Any]:
    answer = http.get(path, params=query)
    assert answer.status_code == 422, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    return found


def test_a_packed_column_is_the_plain_one(http: httpx.Client) -> None:
    plain, packed = (raw(http, packing, metric="test_acc") for packing in ("identity", "gzip"))
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.raw) == plain.raw  # type: ignore[attr-defined]
    for name in ("ETag", "Cache-Control", "X-Column", "Content-Type"):
        assert plain.headers[name] == packed.headers[name]
    # Kept from now on: the same bytes.
    again = raw(http, "gzip", metric="test_acc")
    assert again.raw == packed.raw  # type: ignore[attr-defined]


def test_a_column_is_what_its_header_says(http: httpx.Client) -> None:
    answer = http.get(PATH, params={**PART, "metric": "test_acc"})
    said = json.loads(answer.headers["X-Column"])
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert (said["metric"], said["type"], said["unit"]) == ("test_acc", "float32", "percent")
    assert said["part"] == {"dataset": "cifar100", "num_epochs": 200}
    assert said["provenance"]["synthetic"] is True
    assert len(answer.content) == 4 * said["rows"]
    top = http.get("/v1/nasbench201/top", params={**PART, "metric": "test_acc"}).json()["items"]
    values = np.frombuffer(answer.content, "<f4")
    assert np.sort(values)[::-1][:10].tolist() == [np.float32(item["value"]) for item in top]


def test_the_address_of_each_column_leads_to_its_values(http: httpx.Client) -> None:
    address = httpx.URL("/v1/nasbench201/columns")
    found = http.get(address, params=PART).json()
    assert {column["kind"] for column in found["items"]} == {"metric", "number", "choice", "flag"}
    sizes = {"float32": 4, "int32": 4, "uint8": 1}
    for column in found["items"]:
        answer = http.get(address.join(column["address"]))
        assert len(answer.content) == found["rows"] * sizes[column["type"]], column["name"]
        if column["legend"]:
            assert max(answer.content) < len(column["legend"])


def test_a_copy_is_checked_by_its_entity_tag(http: httpx.Client) -> None:
    for path, query in ((PATH, {"metric": "flops"}), ("/v1/nasbench201/columns", {})):
        answer = http.get(path, params={**PART, **query})
        tag = answer.headers["ETag"]
        again = http.get(path, params={**PART, **query}, headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["ETag"] == tag
        other = http.get(path, params={**PART, **query, "num_epochs": "12"})
        assert other.headers["ETag"] != tag
    assert http.head(PATH, params={**PART, "metric": "flops"}).content == b""


def test_many_who_ask_at_once_get_the_same(http: httpx.Client) -> None:
    def ask(_: int) -> bytes:
        return http.get(PATH, params={**PART, "metric": "train_loss"}).content

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(ask, range(24)))) == 1


@pytest.mark.parametrize(
    ("query", "field", "told"),
    [
        ({**PART, "metric": "tst_acc"}, "metric", "is it test_acc"),
        ({**PART, "metric": "@op.0_4"}, "metric", "is it @op.0_3"),
        ({**PART, "metric": "@"}, "metric", "known are @number"),
        ({**PART, "metric": "zero-cost-201.synflow"}, "metric", "not installed"),
        ({**PART, "metric": "x" * 501}, "metric", "500"),
        ({**PART, "metric": ""}, "metric", "unknown metric"),
        ({**PART, "metric": "test_acc", "dataset": "mnist"}, "dataset", "known are cifar10-valid"),
        ({"metric": "test_acc", "dataset": "cifar10"}, "num_epochs", "say which num_epochs"),
        ({**PART}, "metric", "required"),
        ({**PART, "metric": "test_acc", "datasets": "x"}, "datasets", "is it dataset"),
    ],
)
def test_what_is_no_column_is_told(
    http: httpx.Client, query: dict[str, str], field: str, told: str
) -> None:
    found = problem(http, PATH, query)
    assert found["errors"][0]["loc"] == ["query", field]
    assert told in found["errors"][0]["msg"]


@pytest.mark.parametrize(
    ("numbers", "told"),
    [
        ("", "not the number"),
        ("1,,2", "not the number"),
        ("-1", "not the number"),
        ("\u0661", "not the number"),
        ("9" * 19, "not the number"),
        ("0" * 5000, "not the number"),
        ("2147483648", "not the number"),
        (",".join(["0"] * 1001), "1001 numbers"),
        ("1" * 11_001, "10000"),
    ],
)
def test_what_is_no_number_of_an_architecture_is_told(
    http: httpx.Client, numbers: str, told: str
) -> None:
    found = problem(http, "/v1/nasbench201/spellings", {"numbers": numbers})
    assert told in found["errors"][0]["msg"]


def test_a_table_of_a_page_is_spelled_at_once(http: httpx.Client) -> None:
    values = http.get(PATH, params={**PART, "metric": "@number"}).content
    numbers = np.frombuffer(values, "<i4").tolist()
    asked = ",".join(map(str, numbers * (1000 // len(numbers))))
    items = http.get("/v1/nasbench201/spellings", params={"numbers": asked}).json()["items"]
    assert [item["number"] for item in items] == numbers * (1000 // len(numbers))
    other = http.get("/v1/nasbench201/spellings", params={"numbers": "2147483647"})
    assert other.json()["items"] == [{"number": 2**31 - 1, "arch": None}]
    query = {**PART, "metric": "flops", "arch": items[0]["arch"]}
    assert http.get("/v1/nasbench201/rank", params=query).json()["items"]


DENSITY = {**PART, "x": "flops", "y": "test_acc", "bins": "16"}


def test_a_density_counts_what_its_columns_hold(http: httpx.Client) -> None:
    answer = http.get("/v1/nasbench201/density", params=DENSITY)
    said = json.loads(answer.headers["X-Density"])
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert (said["bins"], said["layout"]) == (16, "sparse")
    assert (said["x"]["unit"], said["y"]["unit"]) == ("millions", "percent")
    places, counts = np.frombuffer(answer.content, "<u4").reshape(2, -1)
    x, y = (
        np.frombuffer(http.get(PATH, params={**PART, "metric": DENSITY[side]}).content, "<f4")
        for side in "xy"
    )
    right, _, _ = np.histogram2d(y, x, bins=16)
    assert places.tolist() == np.flatnonzero(right).tolist()
    assert counts.tolist() == right.ravel()[places].tolist()
    again = http.get(
        "/v1/nasbench201/density",
        params=DENSITY,
        headers={"If-None-Match": answer.headers["ETag"]},
    )
    assert again.status_code == 304


def test_a_density_takes_bounds_logarithms_and_another_part(http: httpx.Client) -> None:
    bounded = {**DENSITY, "max_flops": "80", "x_log": "true", "y_num_epochs": "12", "y_to": "99"}
    said = json.loads(http.get("/v1/nasbench201/density", params=bounded).headers["X-Density"])
    flops = http.get(PATH, params={**PART, "metric": "flops"}).content
    within = np.frombuffer(flops, "<f4") <= 80
    assert said["counted"] + said["outside"] == within.sum() > 0
    assert (said["x"]["log"], said["x"]["part"]["num_epochs"]) == (True, 200)
    assert (said["y"]["log"], said["y"]["part"]["num_epochs"], said["y"]["high"]) == (False, 12, 99)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"bins": "7"}, "bins"),
        ({"bins": "513"}, "bins"),
        ({"x": "@number"}, "x"),
        ({"y": "tst"}, "y"),
        ({"x_from": "nan"}, "x_from"),
        ({"x_from": "2", "x_to": "1"}, "x_to"),
        ({"y_log": "1", "y_from": "0"}, "y_from"),
        ({"x_log": "maybe"}, "x_log"),
        ({"y_dataset": "mnist"}, "dataset"),
    ],
)
def test_what_is_no_density_is_told(http: httpx.Client, query: dict[str, str], field: str) -> None:
    found = problem(http, "/v1/nasbench201/density", {**DENSITY, **query})
    assert found["errors"][0]["loc"] == ["query", field]


def test_runs_in_columns_are_read_with_numpy_alone(http: httpx.Client) -> None:
    path = "/v1/nasbench201/computed-stats/query"
    asked = {"archs": [3, "nonsense", 15_000, 1], "dataset": "cifar100", "num_epochs": 200}
    answer = http.post(path, json=asked, headers={"Accept": RUN_COLUMNS})
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, RUN_COLUMNS)
    line, _, data = answer.content.partition(b"\n")
    said = json.loads(line)
    sizes = {"int32": "<i4", "text": "<i4", "int64": "<i8", "float64": "<f8", "bool": "u1"}
    columns, begin = {}, 0
    for column in said["columns"]:
        if column["type"] != "none":
            values = np.frombuffer(data, sizes[column["type"]], said["rows"], begin)
            columns[column["name"]] = values
            begin += values.nbytes + said["rows"] * column.get("missing", False)
    assert begin == len(data)
    results = http.post(path, json=asked).json()["results"]
    runs = [
        (position, run)
        for position, found in enumerate(results)
        if isinstance(found, list)
        for run in found
    ]
    assert columns["position"].tolist() == [position for position, _ in runs]
    assert [said["configs"][place] for place in columns["config"]] == [
        run["config"] for _, run in runs
    ]
    assert columns["test_acc"].tolist() == [run["test_acc"] for _, run in runs]
    assert said["errors"] == [{"position": 1, "detail": results[1]["error"]["detail"]}]
    assert said["provenance"]["benchmark"] == "nasbench201"


def test_columns_hold_no_curves(http: httpx.Client) -> None:
    answer = http.post(
        "/v1/nasbench201/computed-stats/query",
        json={"archs": [0], "include_intermediates": True},
        headers={"Accept": RUN_COLUMNS},
    )
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "columns hold no learning curves" in answer.json()["detail"]
