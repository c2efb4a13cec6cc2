"""What an operator may set, by environment variable, and the limits every caller meets."""

from __future__ import annotations

from functools import cached_property
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple

from pydantic import AfterValidator, AliasChoices, Field
from pydantic_settings import SettingsConfigDict

from benchmark_db.questions import MAX_BATCH, MAX_CURVES, MAX_LIMIT
from service.secret_files import SettingsWithSecretFiles

__all__ = ["DEFAULT_DIRECTORY", "LIMITS", "Limit", "Settings"]

DEFAULT_DIRECTORY: Final = Path("~/.nasbenchmark")

_RATE: Final = r"^[1-9][0-9]{0,8}/(second|minute|hour|day)$"


def _networks(value: str) -> str:
    """Check a list of addresses and networks."""
    for part in filter(None, value.split(",")):
        try:
            ip_network(part.strip())
        except ValueError:
            raise ValueError(
                f"{part.strip()!r} is no address or network, such as 10.0.0.7 or 172.16.0.0/12; "
                "to trust all would let every caller choose its address"
            ) from None
    return value


class Settings(SettingsWithSecretFiles):
    """Settings of the server, each from the environment variable of its name."""

    model_config = SettingsConfigDict(env_prefix="NASBENCH_", frozen=True, extra="ignore")

    directory: Annotated[
        Path,
        Field(
            validation_alias=AliasChoices("directory", "NASBENCHMARK_DIR"),
            description="Folder of the databases.",
        ),
    ] = DEFAULT_DIRECTORY
    time_budget: Annotated[
        float, Field(gt=0, description="Seconds a question may take before it is answered by 503.")
    ] = 2.0
    max_body: Annotated[
        int, Field(gt=0, description="Bytes of a request body; a longer one is answered by 413.")
    ] = 4 * 2**20
    cache_seconds: Annotated[
        int, Field(ge=0, description="Seconds an answer may be reused before it is checked again.")
    ] = 300
    response_cache_bytes: Annotated[
        int,
        Field(ge=0, description="Bytes of answers that a worker keeps, to send them again."),
    ] = 8 * 2**20
    column_cache_bytes: Annotated[
        int,
        Field(ge=0, description="Bytes of packed columns that a worker keeps, to send them again."),
    ] = 16 * 2**20
    scan_threads: Annotated[
        int, Field(gt=0, description="Scans and batches that run at the same time in one worker.")
    ] = 4
    export_limit: Annotated[
        int,
        Field(gt=0, description="Exports open at the same time in one worker; more get a 503."),
    ] = 16
    export_threads: Annotated[
        int,
        Field(gt=0, description="Exports that are made at the same time; others take turns."),
    ] = 2
    upload_limit: Annotated[
        int,
        Field(gt=0, description="Uploads at the same time in one worker; more get a 503."),
    ] = 8
    checkpoint_bytes: Annotated[
        int,
        Field(
            gt=0,
            le=2**53,
            description="Bytes of an uploaded checkpoint; more are answered by 413.",
        ),
    ] = 2 * 2**30
    verify_seconds: Annotated[
        float,
        Field(
            ge=0,
            description="Seconds from one check of the databases' checksums to the next, the first "
            "at the start; 0 for none.",
        ),
    ] = 3600.0
    job_streams: Annotated[
        int,
        Field(
            gt=0,
            description="Streams of job events and answers held until a job changes, at the same "
            "time in one worker; more streams get a 503, more answers are not held.",
        ),
    ] = 200
    log_json: Annotated[
        bool, Field(description="Log one JSON object a line instead of text for people.")
    ] = True
    keys_file: Annotated[
        Path | None,
        Field(description="File of the keys; `keys.json` in the folder of the databases."),
    ] = None
    read_access: Annotated[
        Literal["open", "keyed"], Field(description="Whether reading needs a key too.")
    ] = "open"
    write_access: Annotated[
        Literal["open", "keyed"] | None,
        Field(
            description="Whether changes need a key where there is no file of keys: `open` or "
            "`keyed`; by default `keyed` where `nbs serve` listens beyond this machine."
        ),
    ] = None
    rate_per_key: Annotated[
        str | None,
        Field(pattern=_RATE, description="Requests of one key, such as `1000/minute`."),
    ] = None
    rate_per_address: Annotated[
        str | None,
        Field(pattern=_RATE, description="Requests without a valid key from one address."),
    ] = None
    redis_url: Annotated[
        str | None,
        Field(
            pattern=r"^(redis|rediss|unix)://",
            description="Redis in which all workers and replicas count requests together.",
        ),
    ] = None
    trusted_proxies: Annotated[
        str,
        AfterValidator(_networks),
        Field(
            description="Addresses and networks, with commas between them, of proxies whose word "
            "on the caller's address and scheme is believed."
        ),
    ] = ""
    trusted_hosts: Annotated[
        str | None,
        Field(
            description="Names, with commas between them, by which the service may be called; "
            "`*.lab.example` stands for all below it, `*` for all. By default all but, on a "
            "loopback address without keys, other names than local ones."
        ),
    ] = None
    max_requests: Annotated[
        int,
        Field(gt=0, description="Requests in progress in one worker; more get a 503."),
    ] = 512
    caller_share: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            description="Share of requests, exports, uploads, connections and bytes of long "
            "bodies that one key, or one address without a key, may take; more get a 429.",
        ),
    ] = 0.5
    max_connections: Annotated[
        int,
        Field(
            gt=0,
            description="Connections to one worker; those that ask for nothing make room for more.",
        ),
    ] = 2048
    header_bytes: Annotated[
        int, Field(ge=1024, description="Bytes of a request's head; more are answered by 431.")
    ] = 2**16
    header_fields: Annotated[
        int, Field(gt=0, description="Header fields of a request; more are answered by 431.")
    ] = 100
    header_seconds: Annotated[
        float,
        Field(gt=0, description="Seconds in which a request's head must be in, else 408."),
    ] = 10.0
    idle_seconds: Annotated[
        float,
        Field(gt=0, description="Seconds that a connection is kept open for another request."),
    ] = 5.0
    body_seconds: Annotated[
        float,
        Field(
            gt=0,
            description="Seconds in which a request's body must be in, and what its bytes take at "
            "the least rate on top, else 408.",
        ),
    ] = 10.0
    body_rate: Annotated[
        int, Field(gt=0, description="Bytes a second that a body must come in at.")
    ] = 8192
    body_bytes: Annotated[
        int,
        Field(
            gt=0,
            description="Bytes that long bodies may take in one worker; more are answered by 503.",
        ),
    ] = 64 * 2**20
    read_seconds: Annotated[
        float,
        Field(
            gt=0,
            description="Seconds that a reader may take for a piece of an answer, and what its "
            "bytes take at the least rate on top, before its connection is closed.",
        ),
    ] = 10.0
    read_rate: Annotated[
        int, Field(gt=0, description="Bytes a second that an answer must be read at.")
    ] = 8192
    unread_bytes: Annotated[
        int,
        Field(
            gt=0,
            description="Bytes of answers that wait for readers in one worker; with more, readers "
            "that take nothing for a second are closed.",
        ),
    ] = 128 * 2**20
    drain_seconds: Annotated[
        float,
        Field(ge=0, description="Seconds between SIGTERM, which `/readyz` tells, and the end."),
    ] = 1.0
    studies_dir: Annotated[
        Path | None,
        Field(
            description="Folder of recorded searches that `/v1/studies` shows, whoever may read; "
            "none by default."
        ),
    ] = None
    metrics_dir: Annotated[
        Path | None,
        Field(
            description="Folder, private and writable, in which several workers add up their "
            "metrics; the system's folder of temporary files by default."
        ),
    ] = None

    guide_dir: Annotated[
        Path | None,
        Field(
            description="Folder of the guide that `/guide` shows; by default where `make guide` "
            "puts it in a clone."
        ),
    ] = None

    @cached_property
    def proxies(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The trusted proxies."""
        parts = filter(None, self.trusted_proxies.split(","))
        return tuple(ip_network(part.strip()) for part in parts)

    @cached_property
    def cache_control(self) -> str:
        """Who may keep an answer, and how long: no cache that callers share where keys decide."""
        kept_by = "public" if self.read_access == "open" else "private"
        return f"{kept_by}, max-age={self.cache_seconds}"

    @property
    def keys_path(self) -> Path:
        """The file of the keys."""
        return (self.keys_file or self.directory / "keys.json").expanduser()


class Limit(NamedTuple):
    """A limit that callers meet."""

    name: str
    value: float
    sentence: str


def _setting(name: str) -> Limit:
    field = Settings.model_fields[name]
    return Limit(f"NASBENCH_{name.upper()}", field.default, field.description or "")


LIMITS: Final = (
    Limit("page", MAX_LIMIT, "Items in one page; a larger `limit` is answered by 422."),
    Limit("batch", MAX_BATCH, "Architectures in one batch; more are answered by 422."),
    Limit(
        "curves", MAX_CURVES, "Runs with learning curves in one batch; more are answered by 422."
    ),
    *(
        _setting(name)
        for name in (
            *("time_budget", "max_body", "cache_seconds", "response_cache_bytes"),
            *("column_cache_bytes", "scan_threads"),
            *("export_limit", "export_threads", "upload_limit", "max_requests", "caller_share"),
            *("max_connections", "header_bytes", "header_fields", "header_seconds"),
            *("idle_seconds", "body_seconds", "body_rate", "body_bytes"),
            *("read_seconds", "read_rate", "unread_bytes"),
            *("drain_seconds", "checkpoint_bytes", "job_streams"),
        )
    ),
)
"""Every limit, once: name (or the variable that sets it), default, meaning."""
