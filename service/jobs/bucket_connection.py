"""Connection to a bucket, and short reasons for its errors.

obstore reads endpoint, region and credentials from the standard variables (`AWS_ENDPOINT_URL`,
`AWS_REGION`, `AWS_ACCESS_KEY_ID`, …). The two keys may be files in the secrets folder instead.
"""

from __future__ import annotations

import os
import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from obstore.store import S3Store

from service.secret_files import SECRETS_DIR, WrongSettingError

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

__all__ = ["open_bucket", "reason_of"]

_CONNECT: Final = timedelta(seconds=3)
_HTTP: Final = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_AUTHORITIES: Final = "AWS_CA_BUNDLE"
"""Variable with a file of certificate authorities, used in addition to the system's."""
_CREDENTIALS: Final[tuple[Literal["access_key_id", "secret_access_key"], ...]] = (
    "access_key_id",
    "secret_access_key",
)
_CODE: Final = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
_STATUS: Final = re.compile(r"status code: ([0-9]{3})")
_METADATA_SERVICE: Final = "/latest/api/token"
"""Path of a cloud's metadata service, which obstore asks for credentials if no variable is set."""


def open_bucket(bucket: str, prefix: str, *, timeout: timedelta, retries: int) -> S3Store:
    """Return a connection to a prefix of a bucket, without contacting the bucket.

    Args:
        bucket: Name of the bucket.
        prefix: Prefix of all keys; may be empty.
        timeout: Of one request, and of all its retries together.
        retries: Retries of a request.

    Raises:
        WrongSettingError: A variable names a file that cannot be read.
    """
    endpoint = next((text for name in _HTTP if (text := os.environ.get(name))), "")
    options: ClientConfig = {
        "connect_timeout": _CONNECT,
        "timeout": timeout,
        # An endpoint without TLS is deliberate: a server on the same machine or network.
        "allow_http": endpoint.startswith("http://"),
    }
    if authorities := os.environ.get(_AUTHORITIES):
        options["root_certificate"] = _read(Path(authorities), _AUTHORITIES)
    return S3Store(
        bucket,
        prefix=prefix or None,
        config=_credentials(),
        client_options=options,
        retry_config={
            "max_retries": retries,
            "retry_timeout": timeout,
            "backoff": {
                "init_backoff": timedelta(milliseconds=100),
                "max_backoff": timedelta(seconds=1),
                "base": 2,
            },
        },
    )


def _credentials() -> S3Config:
    """Return the credentials that are files in the secrets folder; variables come before files.

    Raises:
        WrongSettingError: A file cannot be read.
    """
    found: S3Config = {}
    folder = os.environ.get(SECRETS_DIR)
    for name in _CREDENTIALS:
        path = Path(folder or "", f"aws_{name}")
        if folder and not os.environ.get(f"AWS_{name.upper()}") and path.exists():
            found[name] = _read(path, path.name).decode().strip()
    return found


def _read(path: Path, setting: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise WrongSettingError(f"{setting}: {path}: {error.strerror}") from None


def reason_of(text: str) -> str:
    """Return a short reason for an error message of the library."""
    if _METADATA_SERVICE in text:
        return "no credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"
    if found := _CODE.search(text):
        return found[1]
    if found := _STATUS.search(text):
        return f"HTTP {found[1]}"
    if "TimedOut" in text or "Timeout" in text:
        return "no answer in time"
    return "no connection"
