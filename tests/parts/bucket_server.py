"""An S3 server in this process, and a gate before it that breaks, stalls and closes connections."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

if TYPE_CHECKING:
    from service.jobs.bucket import Bucket

__all__ = ["BucketServer", "Gate", "bucket_server", "running_bucket"]

BUCKET: Final = "laboratory"
KEY_ID: Final = "THEKEYOFTHETESTS"
SECRET: Final = "the-secret-of-the-tests"  # noqa: S105 - opens nothing
SIGNED: Final = {
    "Authorization": f"AWS4-HMAC-SHA256 Credential={KEY_ID}/20260101/us-east-1/s3/aws4_request, "
    "SignedHeaders=host, Signature=0"
}
"""Of a request beside the library: moto compares no signatures."""
_prefixes = count(1)


class Gate:
    """A way to a server: bytes go on unchanged while it is open.

    Attributes:
        most: Bytes that go to the server before every connection ends; None: all.
        stalled: Whether what comes is not handed on, and nothing answered.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.most: int | None = None
        self.stalled = False
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def shut(self) -> None:
        """End every connection, and each that comes."""
        self.most = 0
        self._cut()

    def reopen(self) -> None:
        """Let everything through again."""
        self.most, self.stalled = None, False
        self._cut()

    def close(self) -> None:
        """Listen no more."""
        self._listener.close()
        self._cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.most == 0:
                client.close()
                continue
            server = socket.create_connection(self._target)
            self._open |= {client, server}
            for ends in ((client, server), (server, client)):
                threading.Thread(target=self._hand_on, args=ends, daemon=True).start()

    def _hand_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            to_server = target.getpeername() == self._target
            while piece := source.recv(2**16):
                if self.stalled:
                    continue
                if to_server and self.most is not None:
                    self.most = max(0, self.most - len(piece))
                    if not self.most:
                        self._cut()
                target.sendall(piece)
        self._end(source, target)

    def _cut(self) -> None:
        self._end(*tuple(self._open))

    def _end(self, *ends: socket.socket) -> None:
        for end in ends:
            self._open.discard(end)
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


@dataclass
class BucketServer:
    """A bucket of moto's S3 server, reached through a gate.

    Attributes:
        address: Of the server itself.
        gate: The way to it that those take who are told `environment`.
    """

    address: str
    gate: Gate

    def environment(self, **other: str) -> dict[str, str]:
        """Return what a process is told to reach the bucket through the gate; no empty texts."""
        told = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.gate.port}",
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            **other,
        }
        return {name: text for name, text in told.items() if text}

    @contextmanager
    def told(self, **other: str) -> Iterator[None]:
        """Tell this process, within the context."""
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("AWS_")]:
                patch.delenv(name)
            for name, text in self.environment(**other).items():
                patch.setenv(name, text)
            yield

    def fresh_url(self) -> str:
        """Return the address of a place in the bucket where nothing is."""
        return f"s3://{BUCKET}/{next(_prefixes)}/artifacts"

    def open(self, url: str, **other: str) -> Bucket:
        """Return a store there."""
        from service.jobs.bucket import Bucket  # noqa: PLC0415 - an extra has it

        with self.told(**other):
            return Bucket(url)

    def keys(self, url: str) -> list[str]:
        """Return the keys of all objects there."""
        return sorted(key for key in self._objects() if key.startswith(_prefix(url)))

    def age(self, url: str, sha256: str, seconds: float) -> None:
        """Let a file have been put there so long ago."""
        made = self._objects()[_key(url, sha256)]
        made.last_modified -= timedelta(seconds=seconds)

    def change(self, url: str, sha256: str, content: bytes) -> None:
        """Put other bytes in the place of a file."""
        place = f"{self.address}/{BUCKET}/{_key(url, sha256)}"
        httpx.put(place, content=content, headers=SIGNED).raise_for_status()

    def uploads(self) -> int:
        """Return how many uploads were begun and neither completed nor ended."""
        answer = httpx.get(f"{self.address}/{BUCKET}?uploads", headers=SIGNED)
        return answer.text.count("<UploadId>")

    @contextmanager
    def knowing_nobody(self) -> Iterator[None]:
        """Refuse all credentials, within the context."""
        self._check_after(0)
        try:
            yield
        finally:
            self._check_after(10**9)

    def _check_after(self, requests: int) -> None:
        httpx.post(f"{self.address}/moto-api/reset-auth", content=str(requests))

    def _objects(self) -> dict[str, Any]:
        from moto.s3.models import s3_backends  # noqa: PLC0415 - takes long to load

        found = s3_backends["123456789012"]["aws"].buckets[BUCKET].keys
        return {key: found[key] for key in found}


@pytest.fixture(scope="session")
def running_bucket() -> Iterator[BucketServer]:
    """The bucket of the session; a test leaves its gate open."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - takes long to load

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    httpx.put(f"{address}/{BUCKET}").raise_for_status()
    gate = Gate(host, port)
    yield BucketServer(address, gate)
    gate.close()
    server.stop()


@pytest.fixture
def bucket_server(running_bucket: BucketServer) -> BucketServer:
    """The session's bucket, with its gate open."""
    running_bucket.gate.reopen()
    return running_bucket


def _prefix(url: str) -> str:
    return url.removeprefix(f"s3://{BUCKET}/")


def _key(url: str, sha256: str) -> str:
    return f"{_prefix(url)}/{sha256[:2]}/{sha256}"
