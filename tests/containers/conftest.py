"""The stack of docker-compose.yml, started as its guide says, for one run of the tests."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator

import pytest

from tests.containers.compose import PROFILES, SHARED, Stack, free_port, run


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The stack; taken down at the end, with its volumes, whatever happened."""
    folder = tmp_path_factory.mktemp("stack")
    (folder / "raw").mkdir()
    (folder / "datasets").mkdir()
    shutil.copytree(SHARED / "data/nasbench201", folder / "raw/nasbench201")
    shutil.copytree(SHARED / "data/imagenet-sample", folder / "datasets/imagenet-sample")
    shutil.copytree(SHARED / "data/zoo", folder / "raw/zoo")
    run("chmod", "-R", "u+w,a+rX", str(folder))
    run("chmod", "a+x", str(folder.parent), str(folder.parent.parent))
    (folder / "secrets/nbs").mkdir(parents=True)
    made = Stack(
        name=f"nbs{secrets.token_hex(3)}",
        folder=folder,
        port=free_port(),
        tls_port=free_port(),
    )
    try:
        yield made
    finally:
        made.compose(*PROFILES, "down", "--volumes", "--timeout", "5")
