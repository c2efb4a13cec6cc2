"""The servers tests run beside can be stopped and killed, and start again where they were."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest
import redis

if TYPE_CHECKING:
    from real_servers import PostgresServer, RedisServer


def test_redis_starts_again_on_the_same_port_and_empty(redis_server: RedisServer) -> None:
    url = redis_server.url
    with redis.Redis.from_url(url) as client:
        client.set("cell", "golden")
    redis_server.kill()
    assert not redis_server.answers()
    redis_server.start()
    assert redis_server.url == url
    with redis.Redis.from_url(url) as client:
        assert client.get("cell") is None


@pytest.mark.parametrize("way", ["kill", "stop"])
def test_what_postgres_committed_is_there_after_it_ended(
    postgres_server: PostgresServer, way: str
) -> None:
    with psycopg.connect(postgres_server.url) as connection:
        connection.execute("CREATE TABLE cell (number integer)")
        connection.execute("INSERT INTO cell VALUES (7)")
    getattr(postgres_server, way)()
    assert not postgres_server.answers()
    postgres_server.start()
    with psycopg.connect(postgres_server.url) as connection:
        assert connection.execute("SELECT number FROM cell").fetchall() == [(7,)]


def test_a_test_finds_postgres_running_and_empty(postgres_server: PostgresServer) -> None:
    with psycopg.connect(postgres_server.url) as connection:
        query = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
        assert connection.execute(query).fetchone() == (0,)
