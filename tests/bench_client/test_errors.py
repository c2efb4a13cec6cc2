from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

import bench_client
from bench_client import (
    BenchError,
    BenchmarkNotInstalledError,
    InvalidArchitectureError,
    InvalidRequestError,
    NotAuthorizedError,
    ServerFailedError,
    ServerOverloadedError,
    ServerUnreachableError,
    TooLargeError,
    UnexpectedAnswerError,
)

if TYPE_CHECKING:
    from tests.bench_client.conftest import BenchmarkServer, MakeReply

HTML = b"<html><body><h1>It works!</h1></body></html>"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequestError),
        (401, NotAuthorizedError),
        (403, NotAuthorizedError),
        (404, BenchmarkNotInstalledError),
        (405, UnexpectedAnswerError),
        (413, TooLargeError),
        (418, UnexpectedAnswerError),
        (422, InvalidRequestError),
        (429, ServerOverloadedError),
        (500, ServerFailedError),
        (501, ServerFailedError),
        (502, ServerUnreachableError),
        (503, ServerOverloadedError),
        (504, ServerUnreachableError),
    ],
)
def test_each_status_of_a_problem_has_its_error(
    server: BenchmarkServer,
    asked: Callable[..., Any],
    reply: MakeReply,
    status: int,
    kind: type[BenchError],
) -> None:
    server.will_answer(reply.problem(status, "what happened", request_id="r-1"))
    with pytest.raises(BenchError, match="what happened") as caught:
        asked(server.url, lambda bench: bench.query_nb201(0), retries=0)
    assert type(caught.value) is kind
    if kind is not UnexpectedAnswerError:
        assert caught.value.request_id == "r-1"
        assert caught.value.problem is not None
        assert caught.value.problem.status == status


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, UnexpectedAnswerError),
        (204, UnexpectedAnswerError),
        (302, UnexpectedAnswerError),
        (400, UnexpectedAnswerError),
        (403, UnexpectedAnswerError),
        (404, UnexpectedAnswerError),
        (413, TooLargeError),
        (422, UnexpectedAnswerError),
        (500, ServerFailedError),
        (502, ServerUnreachableError),
        (503, ServerOverloadedError),
    ],
)
def test_a_page_of_somebody_else_is_told_from_an_answer_of_the_service(
    server: BenchmarkServer,
    asked: Callable[..., Any],
    reply: MakeReply,
    status: int,
    kind: type[BenchError],
) -> None:
    body = b"" if status == 204 else HTML
    server.will_answer(reply(status, body, "text/html; charset=utf-8"))
    with pytest.raises(BenchError, match=server.url) as caught:
        asked(server.url, lambda bench: bench.query_nb201(0), retries=0)
    assert type(caught.value) is kind
    assert caught.value.problem is None


def test_a_page_of_somebody_else_is_shown(
    server: BenchmarkServer, asked: Callable[..., Any], reply: MakeReply
) -> None:
    server.will_answer(reply(200, HTML, "text/html"))
    with pytest.raises(UnexpectedAnswerError, match=r"text/html.*It works!.*proxy"):
        asked(server.url, lambda bench: bench.query_nb201(0))


def test_a_redirection_is_not_followed_but_told(
    server: BenchmarkServer, asked: Callable[..., Any], reply: MakeReply
) -> None:
    server.will_answer(reply(307, headers={"Location": "https://login.example/"}))
    with pytest.raises(UnexpectedAnswerError, match=r"a redirect to https://login\.example/"):
        asked(server.url, lambda bench: bench.query_nb201(0), api_key="secret")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"items": [', "the answer: Invalid JSON"),
        (b"", "the answer: Invalid JSON"),
        (b"[]", "the answer: "),
        (b'{"items": [{}], "next_cursor": null}', r"items\.0\.config: Field required"),
        (b'\xff\xfe"', "the answer: Invalid JSON"),
    ],
)
def test_json_that_is_no_answer_says_where_it_is_wrong(
    server: BenchmarkServer, asked: Callable[..., Any], body: bytes, said: str
) -> None:
    server.will_answer(body)
    with pytest.raises(UnexpectedAnswerError, match=said):
        asked(server.url, lambda bench: bench.query_nb201(0))


def test_a_problem_that_is_none_is_told_by_its_status(
    server: BenchmarkServer, asked: Callable[..., Any], reply: MakeReply
) -> None:
    server.will_answer(reply(500, b"[1]", "application/problem+json"))
    with pytest.raises(ServerFailedError, match="answered 500 Internal Server Error"):
        asked(server.url, lambda bench: bench.query_nb201(0))


def test_a_malformed_architecture_is_told_from_other_bad_fields(
    server: BenchmarkServer, asked: Callable[..., Any]
) -> None:
    with pytest.raises(InvalidArchitectureError, match="nonsense") as caught:
        asked(server.url, lambda bench: bench.query_nb201("nonsense"))
    with pytest.raises(InvalidArchitectureError, match="false"):
        asked(server.url, lambda bench: bench.query_nb201(arch=False))
    assert [error.loc for error in caught.value.errors] == [["query", "arch"]]
    with pytest.raises(InvalidRequestError, match="svhn") as other:
        asked(server.url, lambda bench: bench.query_nb201(0, 200, "svhn"))
    assert not isinstance(other.value, InvalidArchitectureError)
    assert other.value.errors[0].loc[-1] == "dataset"


def test_fields_that_the_detail_does_not_name_are_added(
    server: BenchmarkServer, asked: Callable[..., Any], reply: MakeReply
) -> None:
    errors = [{"loc": ["query", "seed"], "msg": "is negative"}]
    server.will_answer(reply.problem(422, "bad request", errors=errors))
    with pytest.raises(InvalidRequestError, match=r"^bad request; query\.seed: is negative$"):
        asked(server.url, lambda bench: bench.query_nb201(0, seed=-1))


def test_an_address_that_is_nearly_right_is_told_what_is_wrong_with_it(
    server: BenchmarkServer, asked: Callable[..., Any], reply: MakeReply
) -> None:
    server.will_answer(reply.problem(404, "there is nothing at this address"))
    with pytest.raises(BenchmarkNotInstalledError, match="is the address right, with /explore in"):
        asked(f"{server.url}/explore", lambda bench: bench.query_nb201(0))
    tls = server.url.replace("http:", "https:")
    with pytest.raises(ServerUnreachableError, match="does not speak HTTPS; write http://"):
        asked(tls, lambda bench: bench.query_nb201(0))


@pytest.mark.parametrize(
    "arch", [object(), {1, 2}, {("a", "b"): "c"}], ids=["object", "set", "key"]
)
def test_what_json_cannot_say_is_a_bad_request(
    server: BenchmarkServer, asked: Callable[..., Any], arch: Any
) -> None:
    for question in (
        lambda bench: bench.query_nb201(arch),
        lambda bench: bench.describe_nb201(arch),
        lambda bench: bench.query_nb201_many([arch]),
    ):
        with pytest.raises(InvalidArchitectureError, match="cannot be sent as JSON"):
            asked(server.url, question)
    with pytest.raises(InvalidRequestError, match=r"dataset: .* cannot be sent as JSON"):
        asked(server.url, lambda bench: bench.query_nb201(0, dataset=arch))
    assert server.received == []


def test_a_question_that_fits_into_no_address_is_too_large(
    server: BenchmarkServer, asked: Callable[..., Any]
) -> None:
    with pytest.raises(TooLargeError, match=r"10001\d characters"):
        asked(server.url, lambda bench: bench.query_nb201("x" * 100_000), retries=0)
    assert server.received == []


def test_an_architecture_with_a_lone_surrogate_is_the_servers_to_refuse(
    server: BenchmarkServer, asked: Callable[..., Any]
) -> None:
    with pytest.raises(InvalidArchitectureError):
        asked(server.url, lambda bench: bench.query_nb201("\ud800"))


def test_a_damaged_database_is_for_whoever_runs_the_server(
    server: BenchmarkServer, asked: Callable[..., Any], reply: MakeReply
) -> None:
    kind = "urn:nas-bench-service:problem:database-unusable"
    server.will_answer(reply.problem(503, "damaged", type=kind))
    with pytest.raises(ServerFailedError, match="damaged"):
        asked(server.url, lambda bench: bench.query_nb201(0), retries=0)


def test_the_request_id_of_the_header_is_kept(
    server: BenchmarkServer, asked: Callable[..., Any], reply: MakeReply
) -> None:
    server.will_answer(reply.problem(500, "broken", headers={"X-Request-ID": "r-2"}))
    with pytest.raises(ServerFailedError, match=r"broken \(request r-2\)") as caught:
        asked(server.url, lambda bench: bench.query_nb201(0))
    assert caught.value.request_id == "r-2"


def test_an_answer_that_cannot_be_decompressed_is_unexpected(
    server: BenchmarkServer, asked: Callable[..., Any], reply: MakeReply
) -> None:
    server.will_answer(reply(200, b"not gzip", headers={"Content-Encoding": "gzip"}))
    with pytest.raises(UnexpectedAnswerError, match="decompressed"):
        asked(server.url, lambda bench: bench.query_nb201(0))


def test_every_error_has_one_base_and_survives_a_process_boundary() -> None:
    errors = [
        value
        for value in (getattr(bench_client, name) for name in bench_client.__all__)
        if isinstance(value, type) and issubclass(value, BenchError)
    ]
    assert len(errors) == 26
    for error in errors:
        copy = pickle.loads(pickle.dumps(error("what", request_id="r-3")))
        assert (type(copy), str(copy), copy.request_id) == (error, "what", "r-3")


def test_the_tree_in_the_docstring_names_every_error() -> None:
    documented = bench_client.errors.__doc__ or ""
    assert [name for name in bench_client.errors.__all__ if name not in documented] == []


def test_the_problem_of_an_error_can_be_logged_as_json(
    server: BenchmarkServer, asked: Callable[..., Any], reply: MakeReply
) -> None:
    server.will_answer(reply.problem(404, "make it with `nbs generate`"))
    with pytest.raises(BenchmarkNotInstalledError) as caught:
        asked(server.url, lambda bench: bench.query_nb201(0))
    assert caught.value.problem is not None
    assert json.loads(caught.value.problem.model_dump_json())["status"] == 404
