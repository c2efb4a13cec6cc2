"""What a folder and a bucket promise alike, and what only a bucket can suffer."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import certifi
import pytest
from bucket_server import KEY_ID, SECRET, BucketServer
from waiting import until

from service.jobs import JobSettings, open_jobs
from service.jobs.artifact_store import ArtifactStore
from service.jobs.blob_store import BlobStore
from service.jobs.bucket import Bucket
from service.jobs.errors import ArtifactsUnavailableError, DamagedFileError, UnknownArtifactError
from service.jobs.kinds import spec_key
from service.jobs.records import Artifact, Capabilities, Job, JobState, NewJob
from service.secret_files import WrongSettingError

SMALL: Final = b"a report"
LARGE: Final = os.urandom(2**20) * 17
"""More than two parts of an upload, and more windows than one when it is read."""
HOURS: Final = 2 * 3600.0


@dataclass
class Place:
    """A store with nothing in it.

    Attributes:
        settings: Those that name it.
        store: The store.
        age: Lets a file have been put there so many seconds ago.
        damage: Puts other bytes in the place of a file.
    """

    settings: JobSettings
    store: ArtifactStore
    age: Callable[[str, float], None]
    damage: Callable[[str, bytes], object]


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Each store there is."""
    folder = BlobStore(tmp_path / "jobs/artifacts")
    if request.param == "folder":

        def age(sha256: str, seconds: float) -> None:
            then = time.time() - seconds
            os.utime(folder.path(sha256), (then, then))

        yield Place(
            JobSettings(jobs_dir=tmp_path / "jobs"),
            folder,
            age,
            lambda sha256, content: folder.path(sha256).write_bytes(content),
        )
        return
    server: BucketServer = request.getfixturevalue("bucket_server")
    url = server.fresh_url()
    with server.told():
        yield Place(
            JobSettings(jobs_dir=tmp_path / "jobs", artifacts_url=url),
            Bucket(url),
            lambda sha256, seconds: server.age(url, sha256, seconds),
            lambda sha256, content: server.change(url, sha256, content),
        )


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def whole(store: ArtifactStore, content: bytes, *, piece: int = 2**18) -> bytes:
    """Read a file as a server does."""
    file = store.open(digest(content), len(content))
    read = []
    for start in range(0, len(content), piece):
        file.seek(start)
        read.append(file.read(min(piece, len(content) - start)))
    file.close()
    return b"".join(read)


def test_a_file_is_there_by_its_digest_whole_or_in_part(place: Place, tmp_path: Path) -> None:
    store = place.store
    (tmp_path / "made").write_bytes(LARGE)
    assert not store.holds(digest(LARGE), len(LARGE))
    assert store.add(tmp_path / "made") == store.add(tmp_path / "made") == (digest(LARGE), 17 << 20)
    assert store.holds(digest(LARGE), len(LARGE))
    assert not store.holds(digest(LARGE), 5)
    assert list(store.digests()) == [digest(LARGE)]
    assert whole(store, LARGE) == LARGE
    file = store.open(digest(LARGE), len(LARGE))
    for start, stop in ((7 * 2**20 - 3, 7 * 2**20 + 5), (0, 1), (2**20 - 1, 2**20 + 1)):
        file.seek(start)
        assert file.read(stop - start) == LARGE[start:stop]
    file.seek(len(LARGE) - 2)
    assert file.read(100) == LARGE[-2:]
    file.close()
    with pytest.raises(DamagedFileError):
        store.open(digest(LARGE), 5)
    store.remove(digest(LARGE))
    store.remove(digest(LARGE))
    with pytest.raises(FileNotFoundError):
        store.open(digest(LARGE), len(LARGE))
    assert store.is_there()


@pytest.mark.parametrize(
    "name",
    [
        "",
        "..",
        "../../etc/passwd",
        "/etc/passwd",
        "A" * 64,
        "0" * 63,
        "0" * 64 + "\n",
        "?list",
        "é",
    ],
)
def test_what_is_no_digest_is_never_part_of_a_path_or_a_key(place: Place, name: str) -> None:
    for use in (
        lambda: place.store.holds(name, 1),
        lambda: place.store.open(name, 1),
        lambda: place.store.remove(name),
        lambda: place.store.remove_older(name, 0),
    ):
        with pytest.raises(UnknownArtifactError):
            use()
    assert list(place.store.digests()) == []


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_a_file_on_its_way_is_there_when_it_is_kept_and_not_before(
    place: Place, content: bytes
) -> None:
    def send(*, keep: bool) -> None:
        with place.store.receive(digest(content)) as incoming:
            for start in range(0, len(content), 2**20):
                incoming.write(content[start : start + 2**20])
            assert (incoming.sha256, incoming.size) == (digest(content), len(content))
            assert list(place.store.digests()) == []
            if keep:
                assert incoming.keep() == digest(content)

    send(keep=False)
    assert not place.store.holds(digest(content), len(content))
    send(keep=True)
    assert whole(place.store, content) == content


def test_what_is_put_again_is_young_and_whole(place: Place, tmp_path: Path) -> None:
    (tmp_path / "made").write_bytes(SMALL)
    sha256, size = place.store.add(tmp_path / "made")
    place.damage(sha256, bytes(size))
    place.age(sha256, HOURS)
    place.store.add(tmp_path / "made")
    place.store.remove_older(sha256, HOURS / 2)
    assert whole(place.store, SMALL) == SMALL
    place.age(sha256, HOURS)
    place.store.remove_older(sha256, HOURS / 2)
    assert not place.store.holds(sha256, size)
    place.store.remove_older(sha256, HOURS / 2)


def test_too_much_makes_the_files_go_that_were_used_longest_ago(
    place: Place, tmp_path: Path
) -> None:
    with open_jobs(place.settings.model_copy(update={"artifact_bytes": 25})) as jobs:

        def made(number: int) -> Job:
            spec = {"number": number}
            jobs.store.submit(NewJob(kind="model", spec=spec, key=spec_key("model", spec)))
            lease = jobs.leases.acquire("w", Capabilities(device="cpu"))
            assert lease is not None
            (tmp_path / "made").write_bytes(b"%010d" % number)
            sha256, size = jobs.artifacts.add(tmp_path / "made")
            place.age(sha256, HOURS)
            file = Artifact(name="f", media_type="text/plain", size=size, sha256=sha256)
            jobs.leases.succeed(lease, {}, [file])
            return jobs.store.get(lease.job.id)

        ended = [made(number) for number in range(3)]
        (tmp_path / "made").write_bytes(b"of an attempt that came to nothing")
        lost, _ = jobs.artifacts.add(tmp_path / "made")
        place.age(lost, HOURS)
        jobs.artifact_cache.touch(ended[0].artifacts[0].sha256)
        assert jobs.artifact_cache.evict() == 1
        states = [jobs.store.get(job.id).state for job in ended]
        assert states == [JobState.SUCCEEDED, JobState.EXPIRED, JobState.SUCCEEDED]
        left = {ended[number].artifacts[0].sha256 for number in (0, 2)}
        assert set(place.store.digests()) == left


@pytest.fixture
def url(bucket_server: BucketServer) -> str:
    """A place in the bucket where nothing is."""
    return bucket_server.fresh_url()


@pytest.fixture
def bucket(bucket_server: BucketServer, url: str) -> Bucket:
    """The store there."""
    return bucket_server.open(url)


def test_bytes_that_were_changed_in_the_bucket_are_noticed_before_the_last_of_them(
    bucket_server: BucketServer, url: str, bucket: Bucket, tmp_path: Path
) -> None:
    (tmp_path / "made").write_bytes(LARGE)
    sha256, size = bucket.add(tmp_path / "made")
    bucket_server.change(url, sha256, LARGE[:-1] + bytes([LARGE[-1] ^ 1]))
    with pytest.raises(DamagedFileError, match="digest"):
        whole(bucket, LARGE)
    file = bucket.open(sha256, size)
    file.read(2**20)
    bucket_server.change(url, sha256, LARGE[: 2**20])
    file.seek(5 * 2**20)
    with pytest.raises((DamagedFileError, ArtifactsUnavailableError)):
        file.read(1)


def test_what_else_is_in_the_bucket_is_left_alone(
    bucket_server: BucketServer, url: str, bucket: Bucket, tmp_path: Path
) -> None:
    for name in (f"00/{'0' * 63}", f"0{'0' * 64}", "read me ü+&.txt", f"x/00/{'0' * 64}"):
        bucket._transfers.put(name, b"another's")
    there = bucket_server.keys(url)
    assert len(there) == 4
    assert list(bucket.digests()) == []
    (tmp_path / "made").write_bytes(SMALL)
    sha256, size = bucket.add(tmp_path / "made")
    bucket_server.age(url, sha256, HOURS)

    def evict(name: str) -> None:
        with (
            bucket_server.told(),
            open_jobs(JobSettings(jobs_dir=tmp_path / name, artifacts_url=url)) as jobs,
        ):
            jobs.artifact_cache.evict()

    # The first database that comes owns the place; no job of the second lists what is there.
    assert bucket.claim("0" * 32)
    with pytest.raises(ArtifactsUnavailableError, match="of another database of jobs"):
        evict("second")
    assert bucket.holds(sha256, size)
    bucket._transfers.delete("owner")
    evict("first")
    assert not bucket.holds(sha256, size)
    assert bucket.owner() not in {None, "0" * 32}
    assert set(bucket_server.keys(url)) == {*there, f"{url.removeprefix('s3://laboratory/')}/owner"}


def test_a_store_that_dies_in_the_middle_of_an_upload_shows_nothing_of_it(
    bucket_server: BucketServer, url: str, bucket: Bucket, tmp_path: Path
) -> None:
    (tmp_path / "made").write_bytes(LARGE)
    bucket_server.gate.most = 10 * 2**20
    with pytest.raises(ArtifactsUnavailableError, match="did not put a file: no connection"):
        bucket.add(tmp_path / "made")
    assert bucket_server.uploads() > 0
    assert bucket_server.keys(url) == []
    bucket_server.gate.reopen()
    bucket_server.gate.most = 10 * 2**20

    def send() -> None:
        with bucket.receive(digest(LARGE)) as incoming:
            incoming.write(LARGE)
            incoming.keep()

    refused(send)
    assert bucket_server.keys(url) == []
    for use in (
        bucket.is_there,
        lambda: bucket.open(digest(LARGE), 1),
        lambda: [*bucket.digests()],
    ):
        with pytest.raises(ArtifactsUnavailableError, match="no connection"):
            use()
    bucket_server.gate.reopen()
    assert bucket.add(tmp_path / "made") == (digest(LARGE), len(LARGE))
    assert whole(bucket, LARGE) == LARGE


def test_uploads_under_way_are_bounded_and_one_that_is_broken_off_is_ended(
    bucket_server: BucketServer, bucket: Bucket
) -> None:
    before = bucket_server.uploads()
    with bucket.receive(digest(LARGE)) as incoming:
        incoming.write(LARGE)
        assert bucket_server.uploads() == before + 1
    until(bucket_server.uploads, lambda now: now <= before, what="the broken upload ended")
    begun = [bucket.receive(digest(SMALL)) for _ in range(16)]
    with pytest.raises(ArtifactsUnavailableError, match="16 uploads are in progress"):
        bucket.receive(digest(SMALL))
    for one in begun[:8]:
        one.__exit__(None, None, None)
    # The others are given up as those of a request that ended before it had them.
    del begun, one
    with bucket.receive(digest(SMALL)) as incoming:
        incoming.write(b"another")
        with pytest.raises(DamagedFileError):
            incoming.keep()
    assert list(bucket.digests()) == []


def test_wrong_credentials_and_buckets_are_named_and_no_secret_is(
    bucket_server: BucketServer, bucket: Bucket, tmp_path: Path
) -> None:
    (tmp_path / "made").write_bytes(SMALL)
    uses: tuple[Callable[[], object], ...] = (
        bucket.is_there,
        lambda: bucket.add(tmp_path / "made"),
        lambda: bucket.open(digest(SMALL), 1),
        lambda: bucket.remove(digest(SMALL)),
    )
    with bucket_server.knowing_nobody():
        told = [str(refused(use)) for use in uses]
    assert "InvalidAccessKeyId" in told[0]
    assert "InvalidAccessKeyId" in told[1]
    assert "HTTP 403" in told[2]
    for text in told:
        assert not {SECRET, KEY_ID} & set(text.replace(":", " ").split())
        assert "AWSAccessKeyId" not in text
    nowhere = bucket_server.open("s3://nowhere/at/all")
    assert not nowhere.is_there()
    assert "NoSuchBucket" in str(refused(lambda: nowhere.add(tmp_path / "made")))
    assert "NoSuchBucket" in str(refused(lambda: [*nowhere.digests()]))
    strangers = bucket_server.open(
        "s3://nowhere",
        AWS_ACCESS_KEY_ID="",
        AWS_SECRET_ACCESS_KEY="",
        AWS_METADATA_ENDPOINT="http://127.0.0.1:1",
    )
    assert "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in str(refused(strangers.is_there))


def test_keys_may_be_files_of_the_folder_of_secrets(
    bucket_server: BucketServer, url: str, tmp_path: Path
) -> None:
    told = {
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
        "AWS_METADATA_ENDPOINT": "http://127.0.0.1:1",
        "NASBENCH_SECRETS_DIR": str(tmp_path),
    }
    assert "no credentials" in str(refused(bucket_server.open(url, **told).is_there))
    (tmp_path / "aws_access_key_id").write_text(f"{KEY_ID}\n")
    (tmp_path / "aws_secret_access_key").write_text(f"{SECRET}\n")
    assert bucket_server.open(url, **told).is_there()
    (tmp_path / "aws_access_key_id").unlink()
    (tmp_path / "aws_access_key_id").mkdir()
    with pytest.raises(WrongSettingError, match=r"aws_access_key_id: .*Is a directory"):
        bucket_server.open(url, **told)


def test_an_authority_that_cannot_be_read_is_a_wrong_setting(
    bucket_server: BucketServer, url: str
) -> None:
    with pytest.raises(WrongSettingError, match="AWS_CA_BUNDLE: /none: No such file"):
        bucket_server.open(url, AWS_CA_BUNDLE="/none")
    assert bucket_server.open(url, AWS_CA_BUNDLE=certifi.where()).is_there()


def refused(use: Callable[[], object]) -> ArtifactsUnavailableError:
    with pytest.raises(ArtifactsUnavailableError) as caught:
        use()
    assert caught.value.__cause__ is None
    return caught.value


@pytest.mark.parametrize(
    "url",
    [
        "",
        "s3://",
        "s3://a",
        "s3://BUCKET",
        "s3://bucket/",
        "s3://bucket/../other",
        "s3://bucket/a//b",
        "s3://bucket/.hidden",
        "s3://bucket/a?x=1",
        "s3://key:secret@bucket",
        "s3://bucket/a b",
        "file:///etc",
        "s3://bucket/" + "a" * 65,
        "s3://bucket/" + "/".join("a" * 9),
    ],
)
def test_what_is_no_address_of_a_bucket_is_refused(url: str) -> None:
    with pytest.raises(WrongSettingError, match="NASBENCH_ARTIFACTS_URL"):
        JobSettings(artifacts_url=url)
