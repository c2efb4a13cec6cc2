"""Files of plans that are refused before anything is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench_client import BenchClient, InvalidRequestError


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[space", "is not valid TOML"),
        (b"name = '\xff'", "is not valid TOML"),
        (b"a = " + b"[" * 5_000, "is not valid TOML"),
        (b"a = 1" + b"0" * 5_000, "is not valid TOML"),
        (b"#" * 2_000_000, "is larger than"),
    ],
)
def test_a_file_that_is_no_plan_is_told(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "digits.toml"
    path.write_bytes(content)
    # Nothing listens there: an attempt to ask would be another error.
    with (
        BenchClient("http://127.0.0.1:1", retries=0) as bench,
        pytest.raises(InvalidRequestError, match=rf"plan: digits\.toml {says}"),
    ):
        bench.plan(path)
