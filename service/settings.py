"""Settings of the server, read from environment variables, and the limits for every caller."""

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
    """Validate a comma-separated list of addresses and networks."""
    for part in filter(None, value.split(",")):
        try:
            ip_network(part.strip())
        except ValueError:
            raise ValueError(
                f"{part.strip()!r} is not an address or network such as 10.0.0.7 or 172.16.0.0/12; "
                "all addresses cannot be trusted, as every caller could then choose its address"
            ) from None
    return value


class Settings(SettingsWithSecretFiles):
    """Settings of the server; each comes from the environment variable `NASBENCH_NAME`."""

    model_config = SettingsConfigDict(env_prefix="NASBENCH_", frozen=True, extra="ignore")

    directory: Annotated[
        Path,
        Field(
            validation_alias=AliasChoices("directory", "NASBENCHMARK_DIR"),
            description="Folder of the databases.",
        ),
    ] = DEFAULT_DIRECTORY
    time_budget: Annotated[
        float, Field(gt=0, description="Seconds that a query may take before it gets a 503.")
    ] = 2.0
    max_body: Annotated[
        int, Field(gt=0, description="Bytes of a request body; a larger one gets a 413.")
    ] = 4 * 2**20
    cache_seconds: Annotated[
        int, Field(ge=0, description="Seconds clients may reuse an answer before revalidating it.")
    ] = 300
    response_cache_bytes: Annotated[
        int, Field(ge=0, description="Bytes of answers cached per server process.")
    ] = 8 * 2**20
    column_cache_bytes: Annotated[
        int, Field(ge=0, description="Bytes of compressed columns cached per server process.")
    ] = 16 * 2**20
    scan_threads: Annotated[
        int, Field(gt=0, description="Concurrent scans and batches per server process.")
    ] = 4
    export_limit: Annotated[
        int, Field(gt=0, description="Open exports per server process; more get a 503.")
    ] = 16
    export_threads: Annotated[
        int, Field(gt=0, description="Exports generated concurrently; the others take turns.")
    ] = 2
    upload_limit: Annotated[
        int, Field(gt=0, description="Concurrent uploads per server process; more get a 503.")
    ] = 8
    checkpoint_bytes: Annotated[
        int,
        Field(
            gt=0,
            le=2**53,
            description="Bytes of an uploaded checkpoint; a larger one gets a 413.",
        ),
    ] = 2 * 2**30
    verify_seconds: Annotated[
        float,
        Field(
            ge=0,
            description="Seconds between two checks of the databases' checksums, the first at the "
            "start; 0 for none.",
        ),
    ] = 3600.0
    job_streams: Annotated[
        int,
        Field(
            gt=0,
            description="Job event streams and held long-poll answers per server process; more "
            "streams get a 503, more long polls an answer at once.",
        ),
    ] = 200
    log_json: Annotated[
        bool, Field(description="Log one JSON object per line instead of readable text.")
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
            description="Whether changes need a key if there is no file of keys: `open` or "
            "`keyed`; by default `keyed` if `nbs serve` listens on an address other than loopback."
        ),
    ] = None
    rate_per_key: Annotated[
        str | None,
        Field(pattern=_RATE, description="Request rate of one key, such as `1000/minute`."),
    ] = None
    rate_per_address: Annotated[
        str | None,
        Field(pattern=_RATE, description="Request rate of one address without a valid key."),
    ] = None
    redis_url: Annotated[
        str | None,
        Field(
            pattern=r"^(redis|rediss|unix)://",
            description="Redis in which server processes and replicas count requests together.",
        ),
    ] = None
    trusted_proxies: Annotated[
        str,
        AfterValidator(_networks),
        Field(
            description="Comma-separated addresses and networks of the proxies whose forwarded "
            "client address and scheme are trusted."
        ),
    ] = ""
    trusted_hosts: Annotated[
        str | None,
        Field(
            description="Comma-separated host names under which the service may be called; "
            "`*.lab.example` includes all names below it, `*` all names. By default all, but only "
            "local names on a loopback address without keys."
        ),
    ] = None
    max_requests: Annotated[
        int, Field(gt=0, description="Requests in progress per server process; more get a 503.")
    ] = 512
    caller_share: Annotated[
        float,
        Field(
            gt=0,
            le=1,
            description="Share of requests, exports, uploads, connections and bytes of large "
            "bodies that one key, or one address without a key, may use; more get a 429, more "
            "connections a 503.",
        ),
    ] = 0.5
    max_connections: Annotated[
        int,
        Field(
            gt=0,
            description="Connections per server process; those that await a request are closed to "
            "make room.",
        ),
    ] = 2048
    header_bytes: Annotated[
        int, Field(ge=1024, description="Bytes of request line and header fields; more get a 431.")
    ] = 2**16
    header_fields: Annotated[
        int, Field(gt=0, description="Header fields of a request; more get a 431.")
    ] = 100
    header_seconds: Annotated[
        float,
        Field(gt=0, description="Seconds in which the header of a request must arrive, else 408."),
    ] = 10.0
    idle_seconds: Annotated[
        float,
        Field(gt=0, description="Seconds that an idle connection stays open for another request."),
    ] = 5.0
    body_seconds: Annotated[
        float,
        Field(
            gt=0,
            description="Seconds in which a request body must arrive, plus the time its bytes take "
            "at `NASBENCH_BODY_RATE`, else 408.",
        ),
    ] = 10.0
    body_rate: Annotated[
        int, Field(gt=0, description="Minimum rate of a request body, in bytes per second.")
    ] = 8192
    body_bytes: Annotated[
        int,
        Field(
            gt=0,
            description="Bytes of large bodies per server process; more get a 503.",
        ),
    ] = 64 * 2**20
    read_seconds: Annotated[
        float,
        Field(
            gt=0,
            description="Seconds in which a client must read the pending part of an answer, plus "
            "the time its bytes take at `NASBENCH_READ_RATE`; else its connection is closed.",
        ),
    ] = 10.0
    read_rate: Annotated[
        int, Field(gt=0, description="Minimum rate of reading an answer, in bytes per second.")
    ] = 8192
    unread_bytes: Annotated[
        int,
        Field(
            gt=0,
            description="Bytes of unread answers per server process; beyond this, clients that "
            "have read nothing for a second are disconnected.",
        ),
    ] = 128 * 2**20
    drain_seconds: Annotated[
        float,
        Field(ge=0, description="Seconds from SIGTERM (`/readyz`: 503) until the listener closes."),
    ] = 1.0
    studies_dir: Annotated[
        Path | None,
        Field(
            description="Folder of recorded searches that `/v1/studies` shows to everybody with "
            "read access; none by default."
        ),
    ] = None
    metrics_dir: Annotated[
        Path | None,
        Field(
            description="Private, writable folder in which several server processes add up their "
            "metrics; the system's temporary folder by default."
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
        """The trusted proxies, as networks."""
        parts = filter(None, self.trusted_proxies.split(","))
        return tuple(ip_network(part.strip()) for part in parts)

    @cached_property
    def cache_control(self) -> str:
        """The `Cache-Control` header of answers: `private` where reading needs a key."""
        kept_by = "public" if self.read_access == "open" else "private"
        return f"{kept_by}, max-age={self.cache_seconds}"

    @property
    def keys_path(self) -> Path:
        """The file of the keys."""
        return (self.keys_file or self.directory / "keys.json").expanduser()


class Limit(NamedTuple):
    """A limit for callers, as docs/limits.md lists it."""

    name: str
    value: float
    sentence: str


def _setting(name: str) -> Limit:
    field = Settings.model_fields[name]
    return Limit(f"NASBENCH_{name.upper()}", field.default, field.description or "")


LIMITS: Final = (
    Limit("page", MAX_LIMIT, "Items in one page; a larger `limit` gets a 422."),
    Limit("batch", MAX_BATCH, "Architectures in one batch; more get a 422."),
    Limit("curves", MAX_CURVES, "Runs with learning curves in one batch; more get a 422."),
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
"""Every limit: name (or the variable that sets it), default, meaning."""
