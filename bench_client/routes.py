"""HTTP requests of questions: method, path, query and body."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType, NoneType
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from bench_client.errors import (
    BenchmarkNotInstalledError,
    InvalidArchitectureError,
    InvalidRequestError,
    TooLargeError,
    UnknownJobError,
)
from bench_client.models.answers import FieldError
from bench_client.operations import Question, Topic
from bench_client.table_version import table_version

__all__ = ["ROUTES", "Call", "Route", "call_of", "check_sendable"]


class Route(NamedTuple):
    """Method and path template of a topic; GET has arguments in the query string, POST in JSON."""

    method: str
    path: str


ROUTES: Final[Mapping[Topic, Route]] = MappingProxyType(
    {
        "benchmarks": Route("GET", "/v1/benchmarks"),
        "benchmark": Route("GET", "/v1/benchmarks/{benchmark}"),
        "computed_stats": Route("GET", "/v1/{benchmark}/computed-stats"),
        "computed_stats_many": Route("POST", "/v1/{benchmark}/computed-stats/query"),
        "intermediate_stats": Route("GET", "/v1/{benchmark}/intermediate-stats"),
        "architecture": Route("POST", "/v1/{benchmark}/architecture"),
        "column": Route("GET", "/v1/{benchmark}/column"),
        "columns": Route("GET", "/v1/{benchmark}/columns"),
        "correlation": Route("GET", "/v1/{benchmark}/correlation"),
        "density": Route("GET", "/v1/{benchmark}/density"),
        "distribution": Route("GET", "/v1/{benchmark}/distribution"),
        "export": Route("GET", "/v1/{benchmark}/export"),
        "families": Route("GET", "/v1/{benchmark}/families"),
        "hardware": Route("GET", "/v1/{benchmark}/hardware"),
        "hash": Route("POST", "/v1/{benchmark}/hash"),
        "hash_many": Route("POST", "/v1/{benchmark}/hash"),
        "neighbors": Route("POST", "/v1/{benchmark}/architectures/neighbors"),
        "change_plan": Route("POST", "/v1/plans/{plan}/{action}"),
        "check_plan": Route("POST", "/v1/plans?{action}"),
        "plan": Route("GET", "/v1/plans/{plan}"),
        "plan_cells": Route("GET", "/v1/plans/{plan}/cells"),
        "plan_map": Route("GET", "/v1/plans/{plan}/map"),
        "plans": Route("GET", "/v1/plans"),
        "measure_cells": Route("POST", "/v1/plans/{plan}/cells"),
        "submit_plan": Route("POST", "/v1/plans?{action}"),
        "keep_version": Route("POST", "/v1/plans/{plan}/keep"),
        "withdraw_cell": Route("POST", "/v1/plans/{plan}/withdraw"),
        "cancel_job": Route("POST", "/v1/jobs/{job}/cancel"),
        "stop_job": Route("POST", "/v1/jobs/{job}/stop"),
        "artifact": Route("GET", "/v1/jobs/{job}/artifacts/{artifact}"),
        "checkpoints": Route("GET", "/v1/checkpoints"),
        "datasets": Route("GET", "/v1/datasets"),
        "delete_checkpoint": Route("DELETE", "/v1/checkpoints/{checkpoint}"),
        "job": Route("GET", "/v1/jobs/{job}"),
        "jobs": Route("GET", "/v1/jobs"),
        "studies": Route("GET", "/v1/studies"),
        "study": Route("GET", "/v1/studies/{study}"),
        "submit_evaluation": Route("POST", "/v1/evaluations"),
        "submit_latency": Route("POST", "/v1/latency"),
        "submit_model": Route("POST", "/v1/models"),
        "submit_supernet": Route("POST", "/v1/supernets"),
        "submit_training": Route("POST", "/v1/trainings"),
        "workers": Route("GET", "/v1/workers"),
        "zoo": Route("GET", "/v1/zoo"),
        "pareto": Route("GET", "/v1/{benchmark}/pareto"),
        "picture": Route("GET", "/v1/{benchmark}/picture"),
        "random": Route("GET", "/v1/{benchmark}/architectures/random"),
        "rank": Route("GET", "/v1/{benchmark}/rank"),
        "run_columns": Route("POST", "/v1/{benchmark}/computed-stats/query"),
        "spellings": Route("GET", "/v1/{benchmark}/spellings"),
        "top": Route("GET", "/v1/{benchmark}/top"),
    }
)

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
"""Names of benchmarks, jobs and plans; other text in a path could address something else."""

_STUDY: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,127}")

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")

_KEY: Final = re.compile(r"[ -~]{1,128}")

_LONGEST_QUERY: Final = 8000
"""Characters of a query string; servers and proxies refuse longer URLs, each in its own way."""

_PLAIN: Final = frozenset({str, int, bool, NoneType})

_ARCHITECTURES: Final = frozenset({"arch", "archs"})
"""Arguments that hold architectures."""


class Call(NamedTuple):
    """HTTP request of a question.

    Attributes:
        method: GET, POST or DELETE.
        target: Path and query, relative to the address of the service.
        body: JSON body of a POST; otherwise None.
        headers: Headers in addition to the common ones.
    """

    method: str
    target: str
    body: bytes | None
    headers: Mapping[str, str] = MappingProxyType({})


def call_of(question: Question[Any]) -> Call:
    """Return the HTTP request of a question; arguments that are None are left out.

    Raises:
        BenchmarkNotInstalledError: The name of the benchmark or plan is malformed.
        UnknownJobError: The id of the job is malformed.
        InvalidRequestError: An argument cannot be written as JSON, or a study name, digest or
            idempotency key is malformed.
        TooLargeError: The arguments do not fit into a URL.
    """
    route = ROUTES[question.topic]
    benchmark, version = question.benchmark, None
    if benchmark is not None:
        benchmark, version = table_version(benchmark)
    path = route.path.format(
        benchmark=_checked_name(benchmark),
        job=_checked_job(question.job),
        artifact=quote(question.artifact or "", safe=""),
        checkpoint=_checked_checkpoint(question.checkpoint),
        plan=_checked_name(question.plan),
        action=question.action,
        study=_checked_study(question.study),
    )
    arguments = {
        name: value
        for name, value in (*question.filters.items(), *question.options.items())
        if value is not None
    }
    if route.method == "POST":
        if version is not None:
            path = f"{path}?version={version}"
        members = (f"{json.dumps(name)}:{_json(name, value)}" for name, value in arguments.items())
        body = f"{{{','.join(members)}}}".encode()
        return Call(route.method, path, body, _key_header(question.key))
    pairs = {
        name: value if isinstance(value, str) else _json(name, value)
        for name, value in arguments.items()
    }
    if version is not None:
        pairs["version"] = str(version)
    # The server refuses lone surrogates, like any other malformed text.
    query = urlencode(pairs, errors="surrogatepass")
    if len(query) > _LONGEST_QUERY:
        raise TooLargeError(
            f"the query string would have {len(query)} characters, more than the limit of "
            f"{_LONGEST_QUERY}: is the architecture valid?"
        )
    return Call(route.method, f"{path}?{query}" if query else path, None)


def _checked_name(benchmark: str | None) -> str | None:
    if benchmark is not None and not _NAME.fullmatch(benchmark):
        raise BenchmarkNotInstalledError(f"there is no benchmark {benchmark!r:.80}")
    return benchmark


def _checked_job(job: str | None) -> str | None:
    if job is not None and not _NAME.fullmatch(job):
        raise UnknownJobError(f"there is no job {job!r:.80}")
    return job


def _checked_study(study: str | None) -> str | None:
    if study is not None and not _STUDY.fullmatch(study):
        message = f"there is no study {study!r:.80}"
        raise InvalidRequestError(
            f"study: {message}", errors=[FieldError(loc=["study"], msg=message)]
        )
    return study


def _checked_checkpoint(digest: str | None) -> str | None:
    if digest is not None and not _DIGEST.fullmatch(digest):
        raise InvalidRequestError(f"checkpoint: {digest!r:.80} is not a SHA-256 of 64 hex digits")
    return digest


def check_sendable(question: Question[Any]) -> None:
    """Check the arguments of a question that is answered on local files, as HTTP would.

    Architectures are not checked, because their parser reports errors.

    Raises:
        InvalidRequestError: An argument cannot be written as JSON.
    """
    for name, value in (*question.filters.items(), *question.options.items()):
        # Local queries take microseconds, so plain values skip the check.
        if type(value) not in _PLAIN and name not in _ARCHITECTURES:
            _json(name, value)


def _json(name: str, value: Any) -> str:
    try:
        # JSON has neither NaN and infinities nor lone surrogates.
        text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        kind = InvalidArchitectureError if name in _ARCHITECTURES else InvalidRequestError
        is_number = isinstance(value, float)
        reason = "is not a finite number" if is_number else f"cannot be sent as JSON: {error}"
        message = f"{value!r:.80} {reason}"
        raise kind(f"{name}: {message}", errors=[FieldError(loc=[name], msg=message)]) from error
    return text


def _key_header(key: str | None) -> dict[str, str]:
    """Return the `Idempotency-Key` header, which makes repeated submissions one job."""
    if key is None:
        return {}
    if not _KEY.fullmatch(key):
        raise InvalidRequestError(
            f"idempotency_key: {key!r:.80} is not 1 to 128 printable characters of ASCII"
        )
    return {"Idempotency-Key": key}
