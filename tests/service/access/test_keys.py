"""Keys and their file."""

from __future__ import annotations

import json
import stat
import subprocess
import threading
from pathlib import Path

import pytest
from forked_nbs import nbs

from service.access.keys import (
    KeyFile,
    KeyFileError,
    KeyRing,
    KeyScope,
    digest_of,
    draw_token,
    id_of,
)


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "data" / "keys.json")


def nbs_keys(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return nbs("keys", *arguments)


class TestScopes:
    @pytest.mark.parametrize(
        ("scope", "allowed"),
        [
            ("read", ["read"]),
            ("jobs", ["read", "jobs"]),
            ("plans", ["read", "plans"]),
            ("worker", ["read", "worker"]),
            ("admin", ["read", "jobs", "plans", "worker", "admin"]),
        ],
    )
    def test_allow_reading_and_their_own_and_the_last_one_all(
        self, scope: str, allowed: list[str]
    ) -> None:
        assert [needed for needed in KeyScope if KeyScope(scope).allows(needed)] == allowed


class TestTokens:
    def test_are_never_drawn_twice_and_carry_256_bits(self) -> None:
        tokens = {draw_token() for _ in range(1000)}
        assert len(tokens) == 1000
        assert all(len(token.split("_", 2)[2]) == 43 for token in tokens)

    @pytest.mark.parametrize("token", ["", "nbs_", "x" * 60, "nbs_0123456789ab_short", "ä" * 40])
    def test_what_is_none_has_no_id(self, token: str) -> None:
        assert id_of(token) is None

    def test_one_with_a_line_after_it_is_none(self) -> None:
        assert id_of(draw_token() + "\n") is None


class TestTheFile:
    def test_holds_a_digest_and_not_the_key(self, file: KeyFile) -> None:
        token = file.create("alice", KeyScope.JOBS)
        content = file.path.read_text()
        assert token not in content
        assert token.split("_", 2)[2] not in content
        assert digest_of(token) in content

    def test_is_its_owners_alone(self, file: KeyFile) -> None:
        file.create("alice", KeyScope.READ)
        file.revoke("alice")
        assert stat.S_IMODE(file.path.stat().st_mode) == 0o600

    def test_a_name_is_given_once_even_after_it_was_revoked(self, file: KeyFile) -> None:
        file.create("alice", KeyScope.READ)
        file.revoke("alice")
        with pytest.raises(KeyFileError, match="another name"):
            file.create("alice", KeyScope.READ)

    @pytest.mark.parametrize("name", ["", "-x", "a b", "a/b", "a" * 65, "a\n", "ä"])
    def test_a_name_that_logs_could_not_tell_is_refused(self, file: KeyFile, name: str) -> None:
        with pytest.raises(KeyFileError, match="cannot name a key"):
            file.create(name, KeyScope.READ)

    def test_a_key_that_is_not_there_cannot_be_revoked(self, file: KeyFile) -> None:
        with pytest.raises(KeyFileError, match="no key 'bob'"):
            file.revoke("bob")

    def test_no_key_is_lost_when_several_are_made_at_once(self, file: KeyFile) -> None:
        threads = [
            threading.Thread(target=file.create, args=(f"key-{rank}", KeyScope.READ))
            for rank in range(12)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(file.read() or []) == 12
        assert [path.name for path in file.path.parent.iterdir()] == ["keys.json"]

    @pytest.mark.parametrize(
        "content", ["", "{", "[]", '{"version": 2, "keys": []}', '{"version": 1, "keys": [{}]}']
    )
    def test_one_that_is_damaged_is_named_and_left_alone(self, file: KeyFile, content: str) -> None:
        file.path.parent.mkdir()
        file.path.write_text(content)
        with pytest.raises(KeyFileError, match="is not a key file"):
            file.create("alice", KeyScope.READ)
        assert file.path.read_text() == content


class TestARing:
    def test_finds_the_keys_that_are_taken_and_no_other(self, file: KeyFile) -> None:
        token, revoked = file.create("alice", KeyScope.READ), file.create("bob", KeyScope.READ)
        file.revoke("bob")
        ring = KeyRing(file, required=False)
        found = ring.find(token)
        assert found is not None
        assert found.name == "alice"
        for wrong in (revoked, draw_token(), token[:-1], token + "A", token.swapcase(), "", "x"):
            assert ring.find(wrong) is None

    def test_a_key_with_the_id_of_another_is_wrong(self, file: KeyFile) -> None:
        token = file.create("alice", KeyScope.READ)
        other = draw_token().split("_", 2)[2]
        ring = KeyRing(file, required=False)
        assert ring.find("_".join([*token.split("_", 2)[:2], other])) is None

    def test_without_a_file_needs_keys_only_where_that_is_asked(self, file: KeyFile) -> None:
        assert not KeyRing(file, required=False).configured()
        assert KeyRing(file, required=True).configured()

    def test_refuses_to_begin_with_a_damaged_file(self, file: KeyFile) -> None:
        file.path.parent.mkdir()
        file.path.write_text("{")
        with pytest.raises(KeyFileError):
            KeyRing(file, required=False)


class TestTheCommand:
    def test_prints_a_key_once_and_lists_it_without(self, tmp_path: Path) -> None:
        created = nbs_keys("create", "alice", "--scope", "jobs", "--data", tmp_path)
        assert created.returncode == 0
        token = created.stdout.strip()
        assert id_of(token)
        listed = nbs_keys("list", "--data", tmp_path)
        assert token not in listed.stdout
        (row,) = json.loads(listed.stdout)
        assert (row["name"], row["scope"], row["revoked"]) == ("alice", "jobs", None)
        assert nbs_keys("revoke", "alice", "--data", tmp_path).returncode == 0
        assert json.loads(nbs_keys("list", "--data", tmp_path).stdout)[0]["revoked"] is not None

    def test_a_failure_is_one_line(self, tmp_path: Path) -> None:
        failed = nbs_keys("revoke", "nobody", "--data", tmp_path)
        assert failed.returncode == 1
        assert failed.stderr.startswith("nbs: there is no key 'nobody'")
        assert "Traceback" not in failed.stderr
        assert nbs_keys("create", "alice", "--scope", "root", "--data", tmp_path).returncode == 2
