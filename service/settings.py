"""What an operator may set, by environment variable, and the limits every caller meets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, NamedTuple

from pydantic import AliasChoices, Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from benchmark_db.questions import MAX_BATCH, MAX_CURVES, MAX_LIMIT

__all__ = ["DEFAULT_DIRECTORY", "LIMITS", "Limit", "Settings"]

DEFAULT_DIRECTORY: Final = Path("~/.nasbenchmark")


class Settings(BaseSettings):
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
    kept_bytes: Annotated[
        int,
        Field(ge=0, description="Bytes of answers that a worker keeps, to send them again."),
    ] = 8 * 2**20
    scan_threads: Annotated[
        int, Field(gt=0, description="Scans and batches that run at the same time in one worker.")
    ] = 4
    export_limit: Annotated[
        int,
        Field(gt=0, description="Exports that run at the same time in one worker; more get a 503."),
    ] = 2
    log_json: Annotated[
        bool, Field(description="Log one JSON object a line instead of text for people.")
    ] = True


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
        for name in ("time_budget", "max_body", "cache_seconds", "kept_bytes", "scan_threads")
    ),
    _setting("export_limit"),
)
"""Every limit, once: name (or the variable that sets it), default, meaning."""
