"""Exit with 0 if the server of this container can answer questions, else with 1 and the reason.

Asks `/readyz`, which reads from every database. Standard library only: it starts in 50 ms.
"""

from __future__ import annotations

import http.client
import json
import sys
from typing import Final

_PORT: Final = 8000
_SECONDS: Final = 4.0


def main() -> None:
    """Ask the server."""
    connection = http.client.HTTPConnection("127.0.0.1", _PORT, timeout=_SECONDS)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        said = json.load(answer)
    except (OSError, http.client.HTTPException, ValueError) as error:
        sys.exit(f"no answer: {error!r}")
    states = {name: state["status"] for name, state in said.get("benchmarks", {}).items()}
    sys.stdout.write(f"{answer.status} {said.get('status')} {states}\n")
    if answer.status != http.client.OK or "ready" not in states.values():
        sys.exit(1)


if __name__ == "__main__":
    main()
