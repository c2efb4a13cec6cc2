"""What MkDocs does not: links to files of the repository that are no pages become their names."""

from __future__ import annotations

import re
from typing import Any, Final

_OUTSIDE: Final = re.compile(r"\[([^\]]*)\]\((?:\.\./)+((?!docs/)[^)\s#]+)[^)]*\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return the text of a page with the paths of files that the guide does not have as code."""

    def named(found: re.Match[str]) -> str:
        text, path = found.groups()
        return f"`{path}`" if text in {path, path.rpartition("/")[2]} else f"{text} (`{path}`)"

    return _OUTSIDE.sub(named, markdown)
