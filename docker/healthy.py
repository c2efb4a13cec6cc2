"""Exit with 0 if the server of this container can answer queries, else with 1 and the reason.

Requests `/readyz`, which reads from every database. Standard library only: it starts in 50 ms.
"""

from __future__ import annotations

import http.client
import json
import sys
from typing import Final

_PORT: Final = 8000
_SECONDS: Final = 4.0


def main() -> None:
    """Request `/readyz` and exit with the result."""
    connection = http.client.HTTPConnection("127.0.0.1", _PORT, timeout=_SECONDS)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        content = json.load(response)
    except (OSError, http.client.HTTPException, ValueError) as error:
        sys.exit(f"no answer: {error!r}")
    states = {name: state["status"] for name, state in content.get("benchmarks", {}).items()}
    sys.stdout.write(f"{response.status} {content.get('status')} {states}\n")
    if response.status != http.client.OK or "ready" not in states.values():
        sys.exit(1)


if __name__ == "__main__":
    main()
