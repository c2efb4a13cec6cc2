"""What docs/operations.md promises, on a real engine. In order: each test takes the stack further.

Started by `tests/containers/run`.
"""

from __future__ import annotations

import json
import os
import signal
import ssl
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException, HTTPSConnection
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import httpx
import pytest

from bench_client import BenchClient
from bench_client.models import RegisteredWorker
from generators.nasbench201 import generate
from generators.sample.nasbench201 import write_sample
from tests.containers.compose import PROFILES, REPOSITORY, VERSION, Stack, run, until

MEGABYTE: Final = 10**6
MODEL: Final = "proxyless-w0.3-r176"
OURS: Final = ("nas-bench-server", "nas-bench-generators", "nas-bench-worker")
RUN: Final = "/v1/nasbench201/computed-stats?arch=0&num_epochs=200&dataset=cifar100"


def image(name: str) -> Any:
    return json.loads(run("docker", "inspect", "--type", "image", f"{name}:{VERSION}"))[0]


class TestImages:
    def test_all_are_built_by_compose(self, stack: Stack) -> None:
        stack.compose("--profile", "generate", "--profile", "worker", "build")
        for name in OURS:
            assert image(name)["Size"] > MEGABYTE

    def test_the_server_adds_less_than_167_megabytes_to_its_base(self) -> None:
        # Of which the client of buckets is 15, and the guide 2.
        base = json.loads(run("docker", "inspect", "docker.io/library/python:3.11-slim"))[0]
        added = (image("nas-bench-server")["Size"] - base["Size"]) / MEGABYTE
        sys.stdout.write(f"the server adds {added:.0f} MB\n")
        assert added < 167

    @pytest.mark.parametrize("name", OURS)
    def test_none_runs_as_root(self, name: str) -> None:
        assert image(name)["Config"]["User"] == "10001:10001"

    @pytest.mark.parametrize("name", OURS)
    def test_labels_say_what_it_is(self, name: str) -> None:
        labels = image(name)["Config"]["Labels"]
        assert labels["org.opencontainers.image.version"] == VERSION
        assert labels["org.opencontainers.image.licenses"] == "MIT"

    @pytest.mark.parametrize("name", ["nas-bench-server", "nas-bench-generators"])
    def test_only_the_worker_has_pytorch(self, name: str) -> None:
        code = "import importlib.util as u; print([n for n in ('torch', 'pip') if u.find_spec(n)])"
        command = ("--entrypoint", "/opt/nbs/bin/python", f"{name}:{VERSION}", "-c", code)
        found = run("docker", "run", "--rm", "--network", "none", *command)
        assert "torch" not in found

    @pytest.mark.parametrize("name", OURS)
    def test_it_holds_nothing_but_what_it_runs(self, name: str) -> None:
        command = (
            "ls / /opt /opt/nbs/lib/python3*/site-packages; find / -xdev -name tests -o -name .git"
        )
        flags = ("--rm", "--network", "none", "--entrypoint", "/bin/sh")
        found = run("docker", "run", *flags, f"{name}:{VERSION}", "-c", command).split()
        assert not {"build", "tests", ".git", ".env", "secrets"} & set(found)


class TestTheServerAlone:
    def test_compose_warns_of_nothing_before_there_are_secrets(self, stack: Stack) -> None:
        assert list((stack.folder / "secrets").iterdir()) == [stack.folder / "secrets/nbs"]
        assert stack.warnings("--profile", "observe", "--profile", "cluster", "ps") == ""

    def test_an_empty_volume_serves_the_sample_and_says_that_it_is_made_up(
        self, stack: Stack
    ) -> None:
        stack.compose("up", "--detach", "--no-build")
        stack.wait_healthy("server")
        with stack.ask() as bench, pytest.warns(UserWarning, match="made up"):
            assert bench.query_nb201(0, 200, "cifar100")
        assert httpx.get(stack.url + RUN).json()["provenance"]["synthetic"]

    def test_it_shows_the_guide(self, stack: Stack) -> None:
        start = httpx.get(f"{stack.url}/guide", follow_redirects=True)
        assert "Coming from another package" in start.text
        reference = httpx.get(f"{stack.url}/guide/reference/bench_client.html")
        assert "query_nb201" in reference.text

    def test_it_has_neither_rights_nor_a_place_to_write(self, stack: Stack) -> None:
        said = stack.execute("server", "cat", "/proc/1/status")
        status = dict(line.split(":\t", 1) for line in said.splitlines() if ":\t" in line)
        assert set(status["Uid"].split()) == {"10001"}
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert int(status[name], 16) == 0
        assert status["NoNewPrivs"] == "1"
        for folder in ("/", "/etc", "/opt/nbs", "/opt/sample", "/data", "/access"):
            command = f"touch {folder}/x 2>/dev/null && echo written || echo refused"
            assert stack.execute("server", "sh", "-c", command).strip() == "refused"

    def test_only_the_port_of_questions_is_open_and_on_this_machine_alone(
        self, stack: Stack
    ) -> None:
        published = stack.inspect("server")["HostConfig"]["PortBindings"]
        assert published == {"8000/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(stack.port)}]}
        # What the kernel says of what listens inside: the port and no other, 0A is LISTEN.
        sockets = stack.execute("server", "sh", "-c", "cat /proc/net/tcp /proc/net/tcp6")
        rows = [line.split() for line in sockets.splitlines() if ":" in line.split()[1]]
        listening = {int(row[1].split(":")[1], 16) for row in rows if row[3] == "0A"}
        assert listening == {8000}

    def test_it_comes_back_when_it_is_killed(self, stack: Stack) -> None:
        before = stack.inspect("server")["State"]
        os.kill(before["Pid"], signal.SIGKILL)
        until(
            lambda: stack.inspect("server")["State"]["Pid"] not in {0, before["Pid"]},
            "the server is started again",
        )
        until(stack.digest, "the server answers again")


class TestGenerating:
    def test_a_generator_makes_the_database_of_the_real_records(
        self, stack: Stack, tmp_path: Path
    ) -> None:
        archive = "nasbench201/NAS-Bench-201-v1_1-2archs.pth"
        stack.compose("run", "--rm", "-T", "generate", "nasbench201", f"/raw/{archive}")
        stack.compose("restart", "--timeout", "10", "server")
        provenance = generate(stack.folder / "raw" / archive, tmp_path)
        assert until(stack.digest, "the server answers") == provenance.content_digest

    def test_it_answers_as_the_file_does(self, stack: Stack, tmp_path: Path) -> None:
        generate(stack.folder / "raw/nasbench201/NAS-Bench-201-v1_1-2archs.pth", tmp_path)
        with BenchClient.local(tmp_path) as local, stack.ask() as bench:
            for arch in (0, 11):
                assert list(bench.query_nb201(arch)) == list(local.query_nb201(arch))

    def test_another_container_is_answered(self, stack: Stack) -> None:
        code = (
            "from bench_client import BenchClient\n"
            "bench = BenchClient('http://server:8000')\n"
            "print([run.test_acc for run in bench.query_nb201(0, 200, 'cifar100')])"
        )
        command = ("--entrypoint", "/opt/nbs/bin/python", f"nas-bench-generators:{VERSION}", "-c")
        network = f"{stack.name}_inside"
        said = run("docker", "run", "--rm", "--network", network, *command, code)
        with stack.ask() as bench:
            runs = bench.query_nb201(0, 200, "cifar100")
            assert json.loads(said) == [run.test_acc for run in runs]

    def test_a_damaged_archive_leaves_what_is_there(self, stack: Stack) -> None:
        before = stack.digest()
        (stack.folder / "raw/damaged.pth").write_bytes(b"\x80\x02 no archive")
        with pytest.raises(pytest.fail.Exception, match="nbs: "):
            stack.compose("run", "--rm", "-T", "generate", "nasbench201", "/raw/damaged.pth")
        stack.compose("restart", "--timeout", "10", "server")
        assert until(stack.digest, "the server answers") == before


def network(stack: Stack, name: str) -> str:
    """Return the addresses of a network of the stack."""
    found = json.loads(run("docker", "network", "inspect", f"{stack.name}_{name}"))[0]
    return str(found["IPAM"]["Config"][0]["Subnet"])


class Load:
    """Asks the proxy for one run after another, until it is told to stop.

    Each thread keeps one connection, as a client does, and opens a new one after a failure.
    """

    def __init__(self, stack: Stack, trusted: ssl.SSLContext, threads: int = 4) -> None:
        self.answers: Counter[str] = Counter()
        self.digests: Counter[str] = Counter()
        self._stack = stack
        self._trusted = trusted
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(threads)
        self._threads = [self._pool.submit(self._ask) for _ in range(threads)]

    def _ask(self) -> None:
        connection = self._connection()
        while not self._stop.is_set():
            try:
                connection.request("GET", RUN)
                answer = connection.getresponse()
                body = json.loads(answer.read())
                self.answers[str(answer.status)] += 1
                if answer.status == httpx.codes.OK:
                    self.digests[body["provenance"]["content_digest"]] += 1
            except (OSError, HTTPException, ValueError) as error:
                self.answers[repr(error)] += 1
                connection.close()
                connection = self._connection()
        connection.close()

    def _connection(self) -> HTTPSConnection:
        port = self._stack.tls_port
        return HTTPSConnection("localhost", port, timeout=30, context=self._trusted)

    def finish(self, requests: int) -> None:
        """Go on up to a number of requests, then stop."""
        until(lambda: self.answers.total() >= requests, f"{requests} requests", patience=120)
        self._stop.set()
        self._pool.shutdown()
        for thread in self._threads:
            thread.result()


class TestReplacingTheServer:
    def test_a_rebuilt_database_is_served_without_a_failed_request(self, stack: Stack) -> None:
        stack.compose("up", "--detach", "--no-build", "proxy")
        stack.wait_healthy("server-a", "server-b", "proxy")
        for service in ("server-a", "server-b"):
            bound = stack.inspect(service)["HostConfig"]["PortBindings"]
            assert not any((bound or {}).values())
        root = stack.execute("proxy", "cat", "/data/caddy/pki/authorities/local/root.crt")
        trusted = ssl.create_default_context(cadata=root)
        before = stack.digest()
        load = Load(stack, trusted)
        until(lambda: load.answers["200"] > 100, "the proxy answers")

        # The rebuilt database: other numbers, as a later version of an archive would have.
        write_sample(stack.folder / "raw/rebuilt", architectures=20, seed=1)
        archive = next((stack.folder / "raw/rebuilt").iterdir()).name
        run("chmod", "-R", "a+rX", str(stack.folder / "raw/rebuilt"))
        stack.compose("run", "--rm", "-T", "generate", "nasbench201", f"/raw/rebuilt/{archive}")
        between = network(stack, "between")
        for service in ("server-a", "server-b"):
            stack.compose(
                *("--profile", "replicas", "up", "--detach", "--no-build", "--no-deps"),
                *("--force-recreate", service),
                NASBENCH_TRUSTED_PROXIES=between,
            )
            stack.wait_healthy(service)
        stack.compose("restart", "--timeout", "10", "server")
        after = until(stack.digest, "the server answers")
        until(lambda: load.digests[after] > 1000, "the proxy gives the new answers")
        load.finish(10_000)

        sys.stdout.write(f"while replacing: {dict(load.answers)}, {dict(load.digests)}\n")
        assert set(load.answers) == {"200"}
        assert load.answers["200"] >= 10_000
        assert after != before
        assert set(load.digests) == {before, after}

    def test_servers_behind_the_proxy_know_the_address_of_the_caller(self, stack: Stack) -> None:
        root = stack.execute("proxy", "cat", "/data/caddy/pki/authorities/local/root.crt")
        trusted = ssl.create_default_context(cadata=root)
        claims = {"X-Forwarded-For": "203.0.113.9", "X-Request-ID": "through-the-proxy"}
        url = f"https://localhost:{stack.tls_port}/v1/benchmarks"
        assert httpx.get(url, headers=claims, verify=trusted).status_code == httpx.codes.OK

        def caller() -> str | None:
            lines = [*stack.logged("server-a").split("\n"), *stack.logged("server-b").split("\n")]
            found = [json.loads(line) for line in lines if '"through-the-proxy"' in line]
            return str(found[0]["client"]) if found else None

        address = ip_address(until(caller, "the request is logged"))
        # Not what the caller claims, and not the proxy, which speaks to the servers from there.
        assert str(address) != claims["X-Forwarded-For"]
        assert address not in ip_network(network(stack, "between"))
        assert address in ip_network(network(stack, "outside"))

    def test_a_server_that_is_killed_is_not_missed(self, stack: Stack) -> None:
        root = stack.execute("proxy", "cat", "/data/caddy/pki/authorities/local/root.crt")
        load = Load(stack, ssl.create_default_context(cadata=root))
        os.kill(stack.inspect("server-b")["State"]["Pid"], signal.SIGKILL)
        time.sleep(3)
        load.finish(1000)
        # What the dead server had begun to answer is lost: at most one request a connection.
        failed = load.answers.total() - load.answers["200"]
        sys.stdout.write(f"when one is killed: {dict(load.answers)}\n")
        assert failed <= 4
        stack.wait_healthy("server-b")


class TestKeys:
    def test_nobody_changes_anything_before_there_is_a_key(self, stack: Stack) -> None:
        assert httpx.post(f"{stack.url}/v1/evaluations").status_code == 401

    def test_a_key_opens_what_changes_something(self, stack: Stack) -> None:
        said = stack.compose("run", "--rm", "-T", "keys", "create", "tests", "--scope", "jobs")
        key = next(word for word in said.split() if len(word) > 40)
        (stack.folder / "key").write_text(key)

        def let_through() -> bool:
            answer = httpx.post(f"{stack.url}/v1/evaluations", headers=with_key(stack))
            return answer.status_code not in {401, 403}

        until(let_through, "the server notices the key")
        assert httpx.post(f"{stack.url}/v1/evaluations").status_code == 401
        assert httpx.get(stack.url + RUN).status_code == 200


class TestTheCluster:
    def test_it_starts_and_its_workers_report(self, stack: Stack) -> None:
        run(str(REPOSITORY / "docker/make-secrets.sh"), str(stack.folder / "secrets"))
        weights = "/raw/zoo/proxyless-w0.3-r176_imagenet.pth"
        stack.compose("run", "--rm", "-T", "convert", weights, "--model", MODEL)
        stack.compose("--profile", "cluster", "up", "--detach", "--no-build")
        stack.wait_healthy("postgres", "redis")
        stack.compose("restart", "--timeout", "10", "server")
        stack.wait_healthy("server", "worker", "worker-b")
        workers = until(lambda: two_workers(stack), "both workers report")
        assert all("imagenet-sample" in worker.datasets for worker in workers)

    def test_an_evaluation_gives_the_published_figures_though_its_worker_is_killed(
        self, stack: Stack
    ) -> None:
        with client(stack) as bench:
            job = bench.evaluate(model=MODEL, dataset="imagenet-sample", wait=False)
            until(lambda: bench.job(job).state == "running", "the job runs")
            runs = bench.job(job)
        host = next(
            name
            for name in ("worker", "worker-b")
            if str(runs.worker).startswith(stack.inspect(name)["Config"]["Hostname"])
        )
        os.kill(stack.inspect(host)["State"]["Pid"], signal.SIGKILL)
        with client(stack) as bench:
            done = bench.wait(job, timeout=180)
        assert done.result is not None
        assert (done.result["count"], done.result["right"]) == (250, 148)
        stack.wait_healthy(host)

    @pytest.mark.parametrize("service", ["postgres", "redis"])
    def test_what_carries_jobs_may_be_killed(self, stack: Stack, service: str) -> None:
        os.kill(stack.inspect(service)["State"]["Pid"], signal.SIGKILL)
        assert httpx.get(stack.url + RUN).status_code == httpx.codes.OK
        stack.wait_healthy(service)

        with client(stack) as bench:
            paths = bench.materialize(
                "nasbench201",
                0,
                dataset="cifar10",
                seed=len(service),
                formats=["report"],
                folder=stack.folder / service,
                timeout=120,
            )
        assert json.loads(paths["report.json"].read_text())["parameters"] > 0

    @pytest.mark.parametrize("service", ["worker", "worker-b", "redis"])
    def test_its_parts_have_neither_rights_nor_a_place_to_write(
        self, stack: Stack, service: str
    ) -> None:
        status = stack.execute(service, "cat", "/proc/1/status")
        assert "CapEff:\t0000000000000000" in status
        assert "NoNewPrivs:\t1" in status
        assert "Uid:\t0\t" not in status
        command = "touch /x 2>/dev/null && echo written || echo refused"
        assert stack.execute(service, "sh", "-c", command).strip() == "refused"
        bound = stack.inspect(service)["HostConfig"]["PortBindings"]
        assert not any((bound or {}).values())

    def test_its_secrets_are_in_no_environment(self, stack: Stack) -> None:
        secret = (stack.folder / "secrets/postgres/password").read_text()
        for service in ("server", "worker", "postgres"):
            assert secret not in json.dumps(stack.inspect(service))


class TestWatching:
    def test_prometheus_finds_the_server_and_has_its_figures(self, stack: Stack) -> None:
        stack.compose("--profile", "observe", "up", "--detach", "--no-build", "prometheus")
        stack.wait_healthy("prometheus")

        def figure(query: str) -> float | None:
            address = f"http://127.0.0.1:9090/api/v1/query?{urlencode({'query': query})}"
            said = json.loads(stack.execute("prometheus", "wget", "-q", "-O", "-", address))
            found = said["data"]["result"]
            return float(found[0]["value"][1]) if found else None

        until(lambda: (figure('sum(up{job="nasbench"})') or 0) >= 1, "the server is found")
        until(lambda: figure("sum(nasbench_requests_total)"), "requests are counted")
        assert figure("sum(nasbench_database_usable)")
        assert figure("count(ALERTS{alertname='NasbenchDown', alertstate='firing'})") is None


def with_key(stack: Stack) -> dict[str, str]:
    return {"Authorization": f"Bearer {(stack.folder / 'key').read_text()}"}


def client(stack: Stack) -> BenchClient:
    return BenchClient(stack.url, api_key=(stack.folder / "key").read_text())


def two_workers(stack: Stack) -> list[RegisteredWorker] | None:
    with client(stack) as bench:
        alive = [worker for worker in bench.workers() if worker.alive]
    return alive if len(alive) == 2 else None


def test_nothing_is_left_behind(stack: Stack) -> None:
    assert stack.left_over()
    stack.compose(*PROFILES, "down", "--volumes", "--timeout", "10")
    assert stack.left_over() == []
