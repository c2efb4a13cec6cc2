"""What RFC 9111 says of an answer's headers."""

from __future__ import annotations

import httpx
import pytest

from bench_client.freshness import Copy, confirmed, copy_of

COPY = Copy(b"{}", 'W/"a"', 300.0, 1000.0)


def response(status: int = 200, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=named, content=b"{}")


@pytest.mark.parametrize(
    ("headers", "lifetime"),
    [
        ({"Cache_Control": "public, max-age=300"}, 300),
        ({"Cache_Control": "Max-Age=300 , private"}, 300),
        ({"Cache_Control": 'max-age="300"'}, 300),
        ({"Cache_Control": "max-age=300, max-age=600"}, 300),
        ({"Cache_Control": "max-age=300", "Age": "100"}, 200),
        ({"Cache_Control": "max-age=300", "Age": "301"}, 0),
        ({"Cache_Control": "max-age=300", "Age": "old"}, 300),
        ({"Cache_Control": "no-cache, max-age=300"}, 0),
        ({"Cache_Control": "s-maxage=300"}, 0),
        ({"Cache_Control": "max-age=-1"}, 0),
        ({"Cache_Control": "max-age=soon"}, 0),
        ({"Cache_Control": "max-age=³"}, 0),
        ({"Cache_Control": "max-age"}, 0),
        ({}, 0),
    ],
)
def test_an_answer_is_fresh_for_its_maximal_age_less_its_age(
    headers: dict[str, str], lifetime: float
) -> None:
    answered = httpx.Response(
        200,
        headers=[(name.replace("_", "-"), text.encode()) for name, text in headers.items()]
        + [("ETag", b'"a"')],
        content=b"{}",
    )
    assert copy_of(answered, 1000.0) == Copy(b"{}", '"a"', lifetime, 1000.0)


@pytest.mark.parametrize(
    "answered",
    [
        response(ETag='"a"', Cache_Control="no-store, max-age=300"),
        response(ETag='"a"', Vary="*", Cache_Control="max-age=300"),
        response(404, ETag='"a"', Cache_Control="max-age=300"),
        response(304, ETag='"a"', Cache_Control="max-age=300"),
        response(Cache_Control="max-age=0"),
        response(),
    ],
)
def test_an_answer_that_may_not_be_kept_or_to_no_use_is_not(answered: httpx.Response) -> None:
    assert copy_of(answered, 1000.0) is None


def test_an_answer_without_a_tag_is_kept_while_it_is_fresh() -> None:
    assert copy_of(response(Cache_Control="max-age=9"), 0.0) == Copy(b"{}", "", 9.0, 0.0)


def test_an_age_of_five_thousand_digits_is_one_without_end() -> None:
    kept = copy_of(response(Cache_Control=f"max-age={'9' * 5000}"), 0.0)
    assert kept is not None
    assert kept.is_fresh(1e12)


@pytest.mark.parametrize(
    ("now", "fresh"), [(1000.0, True), (1299.9, True), (1300.0, False), (999.0, False)]
)
def test_freshness_ends_with_the_lifetime_and_when_the_clock_is_set_back(
    now: float, *, fresh: bool
) -> None:
    assert COPY.is_fresh(now) is fresh


@pytest.mark.parametrize(
    ("answered", "lifetime"),
    [
        (response(304), 300),
        (response(304, ETag='W/"a"', Cache_Control="max-age=60"), 60),
        (response(304, ETag='"a"', Cache_Control="no-cache"), 0),
    ],
)
def test_an_answer_that_still_holds_is_renewed(answered: httpx.Response, lifetime: float) -> None:
    assert confirmed(COPY, answered, 2000.0) == Copy(b"{}", 'W/"a"', lifetime, 2000.0)


@pytest.mark.parametrize(
    ("copy", "answered"),
    [
        (COPY, response(200, ETag='W/"a"')),
        (COPY, response(304, ETag='W/"b"')),
        (Copy(b"{}", "", 300.0, 1000.0), response(304)),
    ],
)
def test_an_answer_that_nobody_confirms_is_not_renewed(
    copy: Copy, answered: httpx.Response
) -> None:
    assert confirmed(copy, answered, 2000.0) is None
