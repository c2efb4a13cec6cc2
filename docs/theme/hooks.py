"""What MkDocs does not: the tables of models, and links to files of the repository.

`[models]` on a line of its own becomes every model that the client returns, with its fields and
their units as its schema has them. Links to files that are no pages become their names.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any, Final

_OUTSIDE: Final = re.compile(r"\[([^\]]*)\]\((?:\.\./)+((?!docs/)[^)\s#]+)[^)]*\)")
_MODELS: Final = "\n[models]\n"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return the text of a page with the models, and with the paths of other files as code."""

    def named(found: re.Match[str]) -> str:
        text, path = found.groups()
        return f"`{path}`" if text in {path, path.rpartition("/")[2]} else f"{text} (`{path}`)"

    if _MODELS in markdown:
        markdown = markdown.replace(_MODELS, "\n".join(_models()))
    return _OUTSIDE.sub(named, markdown)


def _models() -> Iterator[str]:
    """Yield a section for each model among the public names of the client."""
    from pydantic import BaseModel  # noqa: PLC0415

    import bench_client  # noqa: PLC0415 - the pages without models need no client

    for name in bench_client.__all__:
        model = getattr(bench_client, name)
        if not inspect.isclass(model) or not issubclass(model, BaseModel):
            continue
        yield f'\n### <a id="bench_client.{name}"></a>{name}\n'
        yield f"{inspect.cleandoc(model.__doc__ or '')}\n"
        yield "| field | unit | what it is |\n|---|---|---|"
        for field, schema in model.model_json_schema()["properties"].items():
            told = " ".join(schema.get("description", "").split()).replace("|", "\\|")
            yield f"| `{field}` | {schema.get('unit', '')} | {told} |"
