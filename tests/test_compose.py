"""What operators set and run: the compose file, its settings, its proxy and its secrets."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from service.jobs import JobSettings
from service.settings import Settings

REPOSITORY: Final = Path(__file__).resolve().parents[1]
OF_THE_CONTAINER: Final = {
    *("directory", "keys_file", "log_json", "jobs_dir", "jobs_url", "redis_url"),
    *("datasets_dir", "guide_dir", "metrics_dir", "studies_dir"),
}
"""What the images and the compose file decide: folders, logs and addresses inside."""
OTHERWISE: Final = {"drain_seconds": "3", "trusted_hosts": "*", "write_access": "keyed"}
"""Defaults that are others behind a published port."""


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((REPOSITORY / "docker-compose.yml").read_text())


def settable(settings: type[Settings | JobSettings]) -> dict[str, str]:
    """Return what a setting is by default, as environment variables say it, by its name."""
    return {
        name: OTHERWISE.get(name, "" if field.default is None else f"{field.default}")
        for name, field in settings.model_fields.items()
        if name not in OF_THE_CONTAINER
    }


def default_of(environment: dict[str, str], name: str) -> str:
    """Return the default of a setting that is handed on."""
    variable = f"NASBENCH_{name.upper()}"
    match = re.fullmatch(rf"\$\{{{variable}:-(.*)\}}", environment[variable])
    assert match, f"{variable} cannot be set"
    return match[1]


def same(one: str, other: str) -> bool:
    try:
        return float(one) == float(other)
    except ValueError:
        return one == other


class TestSettings:
    @pytest.mark.parametrize("name", sorted({**settable(Settings), **settable(JobSettings)}))
    def test_each_of_a_server_is_handed_on_with_its_default(self, compose: Any, name: str) -> None:
        environment = compose["services"]["server"]["environment"]
        expected = {**settable(Settings), **settable(JobSettings)}[name]
        assert same(default_of(environment, name), expected)
        listed = re.findall(
            rf"^#NASBENCH_{name.upper()}=(.*)$",
            (REPOSITORY / ".env.example").read_text(),
            re.MULTILINE,
        )
        assert len(listed) == 1
        assert same(listed[0], expected)

    @pytest.mark.parametrize("name", sorted(settable(JobSettings)))
    def test_each_of_jobs_is_the_same_for_workers(self, compose: Any, name: str) -> None:
        services = compose["services"]
        server = services["server"]["environment"]
        for worker in ("worker", "worker-b", "worker-gpu"):
            environment = services[worker]["environment"]
            assert default_of(environment, name) == default_of(server, name)

    def test_what_is_handed_on_empty_is_not_set(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("RATE_PER_KEY", "RATE_PER_ADDRESS", "WRITE_ACCESS", "MAX_BODY"):
            monkeypatch.setenv(f"NASBENCH_{name}", "")
        assert Settings() == Settings(
            rate_per_key=None, rate_per_address=None, write_access=None, max_body=4 * 2**20
        )


class TestPorts:
    def test_servers_behind_the_proxy_publish_none(self, compose: Any) -> None:
        proxy = compose["services"]["proxy"]
        assert proxy["depends_on"] == ["server-a", "server-b"]
        for name in proxy["depends_on"]:
            server = compose["services"][name]
            assert "ports" not in server
            assert server["profiles"] == proxy["profiles"] == ["replicas"]
            assert "depends_on" not in server

    def test_to_open_one_port_opens_no_other(self, compose: Any) -> None:
        published = [
            port for service in compose["services"].values() for port in service.get("ports", [])
        ]
        assert all(port.startswith("${") and ":-127.0.0.1}:" in port for port in published)
        variables = [port[2:].partition(":")[0] for port in published]
        assert sorted(variables) == ["NASBENCH_ADDRESS", "NASBENCH_TLS_ADDRESS"]


def test_caddy_takes_its_file() -> None:
    caddy = shutil.which("caddy")
    if caddy is None:
        pytest.skip("Caddy is missing: apt-get install caddy")
    command = [caddy, "validate", "--adapter", "caddyfile", "--config", "docker/Caddyfile"]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def make_secrets(
    folder: Path, *, check: bool = True, **environment: str
) -> subprocess.CompletedProcess[str]:
    command = ["bash", str(REPOSITORY / "docker/make-secrets.sh"), str(folder)]
    env = {**os.environ, **environment}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    if check:
        assert ended.returncode == 0, ended.stderr
    return ended


def secrets(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of secrets; not to be written to."""
    folder = tmp_path_factory.mktemp("secrets")
    make_secrets(folder)
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    """A folder of secrets that were made before."""
    return Path(shutil.copytree(written, tmp_path / "s"))


NAMES: Final = (
    *("grafana/password", "nbs/nasbench_jobs_url", "nbs/nasbench_redis_url"),
    *("postgres/password", "redis/redis.conf"),
)


class TestSecrets:
    def test_are_made_once_and_fit_each_other(self, folder: Path) -> None:
        made = secrets(folder)
        assert sorted(made) == sorted(NAMES)
        password = made["postgres/password"]
        assert len(password) > 40
        assert made["nbs/nasbench_jobs_url"] == f"postgresql://nbs:{password}@postgres:5432/nbs"
        redis = made["redis/redis.conf"].split("requirepass ")[1].strip()
        assert made["nbs/nasbench_redis_url"] == f"redis://:{redis}@redis:6379/0"
        make_secrets(folder)
        assert secrets(folder) == made

    def test_are_written_into_folders_that_each_are_mounted_in_one_place(
        self, compose: Any, tmp_path: Path
    ) -> None:
        assert "secrets" not in compose
        mounted: dict[str, set[str]] = {}
        for name, service in compose["services"].items():
            # Compose v2 refuses a secret whose file is not there, and 1.29 warns of it.
            assert "secrets" not in service, name
            for volume in service.get("volumes", []):
                source, _, rest = volume.rpartition("}")[2].partition(":")
                if volume.startswith("${NASBENCH_SECRETS:-./docker/secrets}"):
                    assert rest == f"/run/secrets{source}:ro"
                    mounted.setdefault(source.removeprefix("/"), set()).add(name)
        assert mounted.keys() == {"nbs", "postgres", "redis", "grafana"}
        assert all(mounted[name] == {name} for name in mounted.keys() - {"nbs"})
        for name in mounted:
            assert (REPOSITORY / "docker/secrets" / name / ".gitignore").is_file()
            # As docker makes what is to be mounted and is not there.
            (tmp_path / "s" / name).mkdir(parents=True)
        make_secrets(tmp_path / "s")
        assert sorted(secrets(tmp_path / "s")) == sorted(NAMES)

    @pytest.mark.parametrize("name", NAMES)
    def test_a_directory_in_the_place_of_one_fails_and_says_so(
        self, tmp_path: Path, name: str
    ) -> None:
        (tmp_path / "s" / name).mkdir(parents=True)
        ended = make_secrets(tmp_path / "s", check=False)
        assert ended.returncode == 1
        assert f"{name} is no file; remove it" in ended.stderr
        assert all(secrets(tmp_path / "s").values())

    @pytest.mark.parametrize("name", NAMES)
    def test_an_empty_one_is_written_anew(self, folder: Path, name: str) -> None:
        (folder / name).write_text("")
        make_secrets(folder)
        assert all(secrets(folder).values())
        assert sorted(secrets(folder)) == sorted(NAMES)

    def test_an_address_without_its_password_is_mended(self, folder: Path) -> None:
        made = secrets(folder)
        url = folder / "nbs/nasbench_jobs_url"
        url.write_text("postgresql://nbs:@postgres:5432/nbs")
        assert "another password" in make_secrets(folder).stderr
        assert secrets(folder) == made

    def test_the_address_of_another_server_is_its_owners(self, folder: Path) -> None:
        url = folder / "nbs/nasbench_jobs_url"
        url.write_text("postgresql://lab:secret@db.lab.example/nbs")
        make_secrets(folder)
        assert url.read_text() == "postgresql://lab:secret@db.lab.example/nbs"

    def test_a_configuration_without_a_password_fails(self, folder: Path) -> None:
        (folder / "redis/redis.conf").write_text("save ''\n")
        ended = make_secrets(folder, check=False)
        assert ended.returncode == 1
        assert "requirepass" in ended.stderr

    def test_without_a_source_of_passwords_nothing_is_written(self, tmp_path: Path) -> None:
        tools = tmp_path / "bin"
        tools.mkdir()
        for tool in ("bash", "cat", "chmod", "dirname", "mkdir", "mktemp", "mv", "rm", "sed"):
            (tools / tool).symlink_to(shutil.which(tool) or tool)
        ended = make_secrets(tmp_path / "s", check=False, PATH=str(tools))
        assert ended.returncode != 0
        assert "cannot generate a password" in ended.stderr
        assert secrets(tmp_path / "s") == {}
