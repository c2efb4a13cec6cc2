"""Whom the adapters ask, and which of several runs answers."""

from __future__ import annotations

import gc
import random
from pathlib import Path
from typing import Any, Final

import pytest

from bench_client import BenchClient, BenchmarkNotInstalledError
from bench_client.compat import RunChoice, client_for

CHOSEN: Final = [888, 888, 999, 888, 777, 777, 999, 888, 999, 999, 888, 999]
"""Which of three runs of the first architectures answers at 200 epochs of cifar100, seed 0."""


class TestClient:
    def test_a_client_is_asked_itself(self, databases: Path) -> None:
        with BenchClient.local(databases) as client:
            assert client_for(client) is client

    @pytest.mark.parametrize("kind", [str, Path])
    def test_a_folder_is_read_in_place(self, kind: Any, databases: Path) -> None:
        client = client_for(kind(databases))
        assert len(client.query_nb201(0, 200, "cifar100")) == 3

    def test_an_address_is_asked(self, server: Any) -> None:
        assert len(client_for(server.url).query_nb201(0, 200, "cifar100")) == 3

    def test_nothing_means_the_address_of_the_environment(
        self, server: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NASBENCH_URL", server.url)
        assert len(client_for(None).query_nb201(0, 200, "cifar100")) == 3

    def test_a_folder_without_databases_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(BenchmarkNotInstalledError, match="holds no database"):
            client_for(tmp_path)

    def test_what_was_opened_is_closed_once_nobody_can_ask(self, server: Any) -> None:
        """An open socket that is forgotten would be a ResourceWarning, an error here."""
        client = client_for(server.url)
        client.query_nb201(0, 200, "cifar100")
        del client
        gc.collect()

    def test_what_was_given_stays_open(self, databases: Path) -> None:
        with BenchClient.local(databases) as client:
            client_for(client)
            gc.collect()
            assert client.query_nb201(0, 200, "cifar100")


class TestRunChoice:
    def test_a_choice_depends_on_seed_and_question_alone(self) -> None:
        runs = [777, 888, 999]
        first, second = RunChoice(4), RunChoice(4)
        for number in range(20):
            second(runs, number, "cifar100")
        assert [first(runs, number, "cifar10") for number in range(20)] == [
            second(runs, number, "cifar10") for number in range(20)
        ]

    def test_a_choice_is_the_same_on_every_machine(self) -> None:
        """Figures of this very choice: changing them changes the results of users."""
        choice = RunChoice(0)
        assert [choice([777, 888, 999], index, "cifar100", 200) for index in range(12)] == CHOSEN

    def test_all_runs_are_chosen_about_equally_often(self) -> None:
        chosen = [RunChoice(0)([0, 1, 2], index) for index in range(3000)]
        assert all(900 < chosen.count(run) < 1100 for run in (0, 1, 2))

    def test_without_a_seed_pythons_generator_draws(self) -> None:
        random.seed(1)
        drawn = [RunChoice(None)([0, 1, 2], "any") for _ in range(20)]
        random.seed(1)
        assert drawn == [random.choice([0, 1, 2]) for _ in range(20)]  # noqa: S311 - not secret
