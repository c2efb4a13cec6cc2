"""What makes two submissions the same job."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from service.jobs.states import JobKind

__all__ = ["spec_key"]


def spec_key(kind: JobKind, spec: Mapping[str, Any]) -> str:
    """Return the digest of a canonical request; the order of its fields does not matter."""
    text = json.dumps([kind.value, spec], sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()
