"""What makes two submissions the same job."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from service.jobs.states import JobKind

__all__ = ["given_key", "spec_key"]

_GIVEN: Final = "given:"


def spec_key(kind: JobKind, spec: Mapping[str, Any]) -> str:
    """Return the digest of a canonical request; the order of its fields does not matter."""
    text = json.dumps([kind.value, spec], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def given_key(text: str) -> str:
    """Return the key of a submission whose caller gave one, which no digest can be equal to."""
    return _GIVEN + text
