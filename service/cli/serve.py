"""`nbs serve`."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from benchmark_db.catalog import Catalog
from service.cli.data import DataDirectory, data_directory

__all__ = ["serve"]


def serve(
    *,
    data: DataDirectory = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to listen on.")] = 8000,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the port.")] = 1,
) -> None:
    """Serve the installed databases over HTTP until interrupted."""
    try:
        import uvicorn  # noqa: PLC0415 - the extra may be missing
    except ModuleNotFoundError:
        sys.stderr.write("nbs: serving needs `pip install 'nas-bench-service[server]'`\n")
        raise typer.Exit(1) from None
    directory = data_directory(data)
    # The workers are processes of their own; the environment is how settings reach them.
    os.environ["NASBENCHMARK_DIR"] = str(directory)
    os.environ.setdefault("NASBENCH_LOG_JSON", "0" if sys.stderr.isatty() else "1")
    _introduce(directory=str(directory), catalog=Catalog(directory), address=f"{host}:{port}")
    uvicorn.run(
        "service.api.app:create_app",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        access_log=False,
        log_level="warning",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=10,
    )


def _introduce(*, directory: str, catalog: Catalog, address: str) -> None:
    """Tell what is served and a question to try."""
    write = sys.stderr.write
    for name, published in catalog.published.items():
        provenance = published.provenance
        made_up = " (SYNTHETIC: every number is made up)" if provenance.synthetic else ""
        write(f"{name}: {provenance.contents[published.counted]} {published.counted}{made_up}\n")
    for name, reason in catalog.unusable.items():
        write(f"{name} cannot be served: {reason}\n")
    if not catalog.published:
        write(f"no database in {directory}: make one with `nbs generate`\n")
    catalog.close()
    write(
        f"serving on http://{address} (documentation: http://{address}/docs); try\n"
        f"  curl 'http://{address}/v1/nasbench201/computed-stats"
        "?arch=0&num_epochs=200&dataset=cifar100&reduction=mean'\n"
    )
