"""Measures whether the time of a look-up distinguishes kinds of wrong keys."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from service.access.keys import KeyFile, KeyRing, KeyScope, draw_token

_ROUNDS = 20_000


def main() -> None:
    """Look up wrong keys in random order and print the times of each kind."""
    with tempfile.TemporaryDirectory() as folder:
        file = KeyFile(Path(folder) / "keys.json")
        good = file.create("alice", KeyScope.ADMIN)
        revoked = file.create("bob", KeyScope.ADMIN)
        file.revoke("bob")
        ring = KeyRing(file, required=True)
        wrong_end = "B" if good[-1] == "A" else "A"
        kinds: dict[str, Callable[[], str]] = {
            "unknown": draw_token,
            "known id, wrong from the first letter": lambda: good[:17] + draw_token()[17:],
            "known id, wrong in the last letter": lambda: good[:-1] + wrong_end,
            "revoked": lambda: revoked[:-1] + revoked[-1],
            "no key": lambda: "x" * len(good),
        }
        taken: dict[str, list[int]] = {name: [] for name in kinds}
        names = list(kinds) * _ROUNDS
        random.Random(0).shuffle(names)  # noqa: S311 - an order to repeat
        for name in names:
            token = kinds[name]()
            started = time.perf_counter_ns()
            found = ring.find(token)
            taken[name].append(time.perf_counter_ns() - started)
            if found is not None:
                raise AssertionError(name)
    print("| wrong key | median | lower quartile | upper quartile |\n|---|---|---|---|")
    for name, nanoseconds in taken.items():
        lower, median, upper = statistics.quantiles(nanoseconds, n=4)
        print(f"| {name} | {median:.0f} ns | {lower:.0f} ns | {upper:.0f} ns |")


if __name__ == "__main__":
    main()
