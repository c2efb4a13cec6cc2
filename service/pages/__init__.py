"""The explorer: static pages that show the answers of the API.

**To add a page**, add a line to `PAGES` and a file `scripts/NAME.js`; if it needs its own style,
also `styles/NAME.css`. Its URL, its place in the navigation, access without a key, the order of
routes and preloading follow from these. The script begins with
`import {startPage} from "./page.js"`. The shared modules are:

| module | purpose |
|---|---|
| `page.js` | the head of a page, its status line, its marks, and `data-state="ready"` |
| `api.js` | requests to the service, with the key of this tab |
| `identity.js` | the version of the data in requests, and whether it was replaced meanwhile |
| `versions.js` | the head of pages about a table: origin, completeness, versions, noise |
| `address.js` | the state of a page as the query of its URL |
| `dom.js` | elements, whose text is never parsed as HTML |
| `format.js` | numbers and units for people |
| `plot.js` | the only module that uses uPlot |
| `table.js` | tables of any length |
| `steps.js` | step functions on a common axis |
| `states.js` | states, times, facts and short tables |
| `exports.js` | downloads: files, pictures, snippets |
| `vectors.js` | axes and curves as SVG |
| `plot_files.js` | buttons that save a plot as PNG and SVG |
| `parts.js` | the parts of a benchmark, and which one is shown |
| `architecture.js` | requests about one architecture |
| `cells.js` | small pictures of cells, with edges marked |
| `plan_map.js` | the map of a plan's cells |
| `curves.js` | learning curves of one or several architectures |

Pages are shells without data: all data is requested from `/v1/`, so that access control is in one
place. `service.routes.pages` sends the pages.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import Final

__all__ = ["PAGES", "Asset", "Assets", "Page", "assets", "shell"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page of the explorer.

    Attributes:
        name: Name of its script, and of its style if it has one.
        path: Its URL path, with `{benchmark}` for the name of a benchmark.
        title: Its initial heading, and its name in the navigation.
        plots: Whether it uses uPlot, which is then loaded before its script.
        style: A style shared with other pages, in addition to the common one and its own.
    """

    name: str
    path: str
    title: str
    plots: bool = False
    style: str = ""

    @property
    def below_benchmark(self) -> bool:
        """Whether the page is about one benchmark."""
        return "{benchmark}" in self.path


PAGES: Final = (
    Page(name="overview", path="/explore", title="Benchmarks"),
    Page(name="jobs", path="/explore/jobs", title="Jobs"),
    Page(name="plans", path="/explore/plans", title="Plans"),
    Page(name="studies", path="/explore/studies", title="Studies", plots=True),
    Page(name="zoo", path="/explore/zoo", title="Searched models"),
    Page(name="status", path="/explore/status", title="Status"),
    Page(name="key", path="/explore/key", title="Access key"),
    Page(name="benchmark", path="/explore/{benchmark}", title="Plot and table", plots=True),
    *(
        Page(
            name=name,
            path=f"/explore/{{benchmark}}/{name}",
            title=title,
            plots=True,
            style="architectures",
        )
        for name, title in (
            ("arch", "One architecture"),
            ("compare", "Compare"),
            ("correlation", "Correlation"),
        )
    ),
)
"""All pages, in the order of the navigation."""

_MEDIA: Final = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
_FOLDERS: Final = ("scripts", "styles", "vendored")
_IMPORT: Final = re.compile(r'\bfrom "\./([a-z0-9_.-]+)"')
_UPLOT: Final = "uplot"
_COMMENT: Final = re.compile(rb"^[ \t]*/\*\*(?:[^*]|\*(?!/))*\*/[ \t]*$", re.MULTILINE)
"""A comment on its own lines; comments are a third of the scripts and are not sent."""


@dataclass(frozen=True)
class Asset:
    """A file that pages load.

    Attributes:
        content: Its bytes.
        media_type: Its media type.
    """

    content: bytes
    media_type: str

    @cached_property
    def packed(self) -> bytes:
        """Its bytes in gzip, compressed at first use."""
        return gzip.compress(self.content, 9, mtime=0)

    @cached_property
    def imports(self) -> tuple[str, ...]:
        """The names of the scripts that it imports."""
        return tuple(dict.fromkeys(_IMPORT.findall(self.content.decode())))


@dataclass(frozen=True)
class Assets:
    """All files that pages load.

    Attributes:
        digest: Digest of all files, which is part of their URLs so that caches are never stale.
        files: The files by name.
    """

    digest: str
    files: Mapping[str, Asset]

    def loaded_by(self, script: str) -> tuple[str, ...]:
        """Return the scripts that a script imports, directly or indirectly."""
        found: dict[str, None] = {}
        waiting = [script]
        while waiting:
            for name in self.files[waiting.pop()].imports:
                if name not in found:
                    found[name] = None
                    waiting.append(name)
        return tuple(found)


def _folder() -> Traversable:
    return resources.files(__name__)


@cache
def assets() -> Assets:
    """Return the files that pages load, read at first use."""
    files = {
        file.name: Asset(_content(file, folder), _MEDIA[suffix])
        for folder in _FOLDERS
        for file in sorted((_folder() / folder).iterdir(), key=lambda file: file.name)
        if (suffix := file.name.rpartition(".")[2]) in _MEDIA
    }
    digest = hashlib.blake2b(digest_size=8)
    for name, file in files.items():
        digest.update(f"{name}\n{len(file.content)}\n".encode() + file.content)
    return Assets(digest.hexdigest(), MappingProxyType(files))


def _content(file: Traversable, folder: str) -> bytes:
    """Return the content to send: scripts without comments, with line numbers unchanged."""
    content = file.read_bytes()
    if folder != "scripts":
        return content
    return _COMMENT.sub(lambda comment: b"\n" * comment[0].count(b"\n"), content)


@cache
def shell(page: Page) -> bytes:
    """Return the HTML of a page."""
    root = "../" * (page.path.count("/") - 1)
    return (
        (_folder() / "shell.html")
        .read_text("utf-8")
        .format(
            name=page.name,
            title=html.escape(page.title),
            root=root,
            assets=f"{root}assets/{assets().digest}",
            loads="\n".join(_loads(page, f"{root}assets/{assets().digest}")),
            pages="\n".join(_links(page, root)),
            parts="\n".join(_links_below(page)),
        )
        .encode()
    )


def _loads(page: Page, folder: str) -> list[str]:
    """Return the elements that load a page's styles and scripts."""
    files = assets()
    styles = [*([_UPLOT] if page.plots else []), "frame", page.style, page.name]
    script = f"{page.name}.js"
    return [
        *(
            f'<link rel="stylesheet" href="{folder}/{name}.css">'
            for name in styles
            if f"{name}.css" in files.files
        ),
        *([f'<script defer src="{folder}/{_UPLOT}.js"></script>'] if page.plots else []),
        *(f'<link rel="modulepreload" href="{folder}/{name}">' for name in files.loaded_by(script)),
        f'<script type="module" src="{folder}/{script}"></script>',
    ]


def _links(page: Page, root: str) -> list[str]:
    """Return the links of the navigation."""
    return [
        f'<a href="{root}{other.path[1:]}"{_current(other, page)}>{html.escape(other.title)}</a>'
        for other in PAGES
        if not other.below_benchmark
    ]


def _links_below(page: Page) -> list[str]:
    """Return the links between the pages of a benchmark; the script adds its name to them."""
    if not page.below_benchmark:
        return []
    return [
        f'<a data-below="{other.path.partition("{benchmark}")[2]}"{_current(other, page)}>'
        f"{html.escape(other.title)}</a>"
        for other in PAGES
        if other.below_benchmark
    ]


def _current(other: Page, page: Page) -> str:
    return ' aria-current="page"' if other is page else ""
