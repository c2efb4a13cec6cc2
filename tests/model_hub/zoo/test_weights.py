"""Weights: found, converted, downloaded, and everything that can be wrong with a file."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import struct
import threading
import zipfile
from argparse import Namespace
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from model_hub import zoo
from model_hub.errors import InvalidArgumentError

REAL = "proxyless-w0.3-r176"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def published(path: Path, **values: Any) -> dict[str, Any]:
    """Return the field `weights` of a record that knows a file."""
    return {"weights": [{"file": path.name, "sha256": sha256(path), **values}]}


def assert_has(network: nn.Module, state: dict[str, Tensor]) -> None:
    own = network.state_dict()
    assert own.keys() == state.keys()
    assert all(torch.equal(own[name], state[name]) for name in state)


@pytest.fixture
def real(shared: Path) -> Path:
    """The published checkpoint at hand."""
    return shared / "data/zoo/proxyless-w0.3-r176_imagenet.pth"


def write_pickled(path: Path, pickled: bytes, *, legacy: bool) -> None:
    """Write a file as torch.save does, of a pickle that it would not make."""
    torch.save({}, path, _use_new_zipfile_serialization=not legacy)
    empty = b"\x80\x02}q\x00."
    if legacy:
        before, after = path.read_bytes().rsplit(empty, 1)
        path.write_bytes(before + pickled + after)
        return
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, pickled if name.endswith("data.pkl") else content)


class TestTheRealCheckpoint:
    def test_loads_alike_by_rule_by_order_and_unconverted(self, real: Path, tmp_path: Path) -> None:
        by_rule = zoo.load(REAL, checkpoint=zoo.convert(real, REAL))
        by_order = zoo.convert(real, REAL, naming="order", out=tmp_path / "a.safetensors")
        assert_has(zoo.load(REAL, checkpoint=by_order), by_rule.state_dict())
        assert_has(zoo.load(REAL, checkpoint=real), by_rule.state_dict())
        assert_has(zoo.load(REAL), by_rule.state_dict())

    def test_keeps_what_is_known_of_it(self, real: Path) -> None:
        with safe_open(zoo.convert(real, REAL), framework="pt") as file:
            stated = file.metadata()
        assert stated["model"] == REAL
        assert stated["source_sha256"] == sha256(real)
        assert stated["source_is_published"] == "true"
        assert stated["licence"] == "MIT"
        assert "mit-han-lab" in stated["origin"]
        assert json.loads(stated["protocol"])["resize"] == 201

    def test_does_not_fit_the_wide_model(self, real: Path, tmp_path: Path) -> None:
        renamed = tmp_path / "renamed.pth"
        renamed.write_bytes(real.read_bytes())
        with pytest.raises(zoo.MismatchError, match=r"of another shape: stem\.0\.w"):
            zoo.load("proxyless-mobile", checkpoint=renamed)

    @pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
    def test_is_refused_when_truncated(self, real: Path, tmp_path: Path, share: float) -> None:
        whole = real.read_bytes()
        part = tmp_path / "part.pth"
        part.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(
            zoo.CheckpointError, match=r"part\.pth is truncated or not a checkpoint"
        ):
            zoo.convert(part, REAL, unlisted=True)

    def test_is_refused_under_its_name_with_another_digest(
        self, real: Path, tmp_path: Path
    ) -> None:
        changed = tmp_path / real.name
        changed.write_bytes(real.read_bytes() + b"\\0")
        with pytest.raises(zoo.DigestError, match=r"5c94b029.*get it again"):
            zoo.load(REAL, checkpoint=changed)


class TestLoading:
    def test_takes_what_was_converted(
        self, add_small: Callable[..., zoo.Record], saved: Path, state: dict[str, Tensor]
    ) -> None:
        add_small(**published(saved))
        assert zoo.convert(saved, "small") == zoo.weights_path("small")
        network = zoo.load("small")
        assert_has(network, state)
        assert not network.training

    def test_without_weights_initialises(self, small: zoo.Record) -> None:
        torch.manual_seed(0)
        first = zoo.load(small.name, pretrained=False)
        torch.manual_seed(0)
        assert_has(zoo.load(small.name, pretrained=False), first.state_dict())
        assert first.training

    def test_says_where_missing_weights_come_from_and_go_to(self, folder: Path) -> None:
        with pytest.raises(zoo.MissingWeightsError) as caught:
            zoo.load("proxyless-mobile")
        message = str(caught.value)
        assert str(folder / "proxyless-mobile.safetensors") in message
        assert "proxyless-mobile-8668a978.pth from https://" in message
        assert "`nbs zoo convert FILE --model proxyless-mobile`" in message
        assert "download=True" in message

    def test_says_so_where_no_address_is_recorded(self, small: zoo.Record) -> None:
        with pytest.raises(zoo.MissingWeightsError, match="names no file of weights"):
            zoo.load(small.name)
        with pytest.raises(zoo.MissingWeightsError, match="no address for a download"):
            zoo.load(REAL, download=True)

    def test_refuses_a_file_where_none_is_wanted(self, small: zoo.Record, saved: Path) -> None:
        with pytest.raises(InvalidArgumentError, match="pretrained=False"):
            zoo.load(small.name, pretrained=False, checkpoint=saved)

    def test_needs_no_weights_for_a_new_network(self) -> None:
        spos = zoo.load("spos", pretrained=False)
        assert sum(p.numel() for p in spos.parameters()) == 3_558_464
        assert spos.training

    def test_takes_a_file_of_ones_own(
        self, small: zoo.Record, saved: Path, state: dict[str, Tensor]
    ) -> None:
        assert_has(zoo.load(small.name, checkpoint=str(saved)), state)

    def test_names_a_file_that_is_not_there(self, small: zoo.Record, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError):
            zoo.load(small.name, checkpoint=tmp_path / "none.pth")


class TestForeignFiles:
    @pytest.mark.parametrize("inside", ["state_dict", "state_dict_ema"])
    def test_have_their_tensors_where_the_record_says(
        self,
        add_small: Callable[..., zoo.Record],
        state: dict[str, Tensor],
        tmp_path: Path,
        inside: str,
    ) -> None:
        path = tmp_path / "small.pth.tar"
        other = {name: torch.zeros_like(tensor) for name, tensor in state.items()}
        keys = {"state_dict": other, "state_dict_ema": other, "epoch": 3, inside: state}
        torch.save(keys, path)
        add_small(**published(path, inside=inside))
        assert_has(zoo.load("small", checkpoint=path), state)

    def test_may_come_from_training_on_several_devices_with_its_arguments(
        self, small: zoo.Record, state: dict[str, Tensor], tmp_path: Path
    ) -> None:
        path = tmp_path / "parallel.pth"
        parallel = {f"module.{name}": tensor for name, tensor in state.items()}
        torch.save({"model": parallel, "args": Namespace(lr=0.1)}, path)
        assert_has(zoo.load(small.name, checkpoint=path), state)

    def test_may_be_in_half_precision(
        self, small: zoo.Record, state: dict[str, Tensor], tmp_path: Path
    ) -> None:
        path = tmp_path / "half.pth"
        half = {n: t.half() if t.is_floating_point() else t for n, t in state.items()}
        torch.save(half, path)
        loaded = zoo.load(small.name, checkpoint=path).state_dict()
        assert all(torch.equal(loaded[n], half[n].to(loaded[n].dtype)) for n in half)

    def test_say_which_keys_they_have(
        self, add_small: Callable[..., zoo.Record], state: dict[str, Tensor], tmp_path: Path
    ) -> None:
        path = tmp_path / "small.pth"
        torch.save({"weights": state, "epoch": 3}, path)
        add_small(**published(path, inside="state_dict_ema"))
        with pytest.raises(zoo.CheckpointError, match="under 'state_dict_ema'; it has 'weights'"):
            zoo.load("small", checkpoint=path)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ([1, 2], "holds a list, not a state dict"),
            ({}, "it is empty"),
            ({"a": 3}, "'a' is a int"),
            ({3: torch.zeros(1)}, "names a tensor 3"),
        ],
    )
    def test_that_hold_something_else_are_refused(
        self, small: zoo.Record, tmp_path: Path, content: object, message: str
    ) -> None:
        path = tmp_path / "odd.pth"
        torch.save(content, path)
        with pytest.raises(zoo.CheckpointError, match=message):
            zoo.load(small.name, checkpoint=path)

    def test_with_code_are_refused_and_not_run(self, small: zoo.Record, tmp_path: Path) -> None:
        witness = tmp_path / "witness"
        for path, write in (
            (tmp_path / "new.pth", torch.save),
            (tmp_path / "old.pth", partial(torch.save, _use_new_zipfile_serialization=False)),
        ):
            write({"state_dict": _Hostile(witness)}, path)
            with pytest.raises(zoo.CheckpointError, match="refused, because reading it would run"):
                zoo.load(small.name, checkpoint=path)
        plain = tmp_path / "plain.pth"
        plain.write_bytes(pickle.dumps(_Hostile(witness), protocol=2))
        with pytest.raises(zoo.CheckpointError):
            zoo.load(small.name, checkpoint=plain)
        assert not witness.exists()

    @pytest.mark.parametrize(
        "copies",
        [
            b"ccollections\nOrderedDict\nh\x00\x85R",
            b"ccollections\nOrderedDict\n)Rh\x00b",
            b"ccollections\nCounter\nh\x00\x85R",
            b"c_codecs\nencode\nh\x01X\x06\x00\x00\x00latin1\x86R",
        ],
    )
    @pytest.mark.parametrize("legacy", [False, True])
    def test_that_copy_without_end_are_refused(
        self, small: zoo.Record, tmp_path: Path, copies: bytes, *, legacy: bool
    ) -> None:
        big = b"}q\x00(" + b"".join(b"J%bN" % struct.pack("<i", n) for n in range(2_000)) + b"u"
        text = b"X" + struct.pack("<I", 60_000) + b"a" * 60_000 + b"q\x01"
        pickled = b"\x80\x02](" + big + text + copies * 1_000 + b"e."
        path = tmp_path / "bomb.pth"
        write_pickled(path, pickled, legacy=legacy)
        with pytest.raises(zoo.CheckpointError, match="copies more than it contains"):
            zoo.load(small, checkpoint=path)

    def test_that_make_bytes_of_any_number_are_refused(
        self, small: zoo.Record, tmp_path: Path
    ) -> None:
        path = tmp_path / "bomb.pth"
        write_pickled(path, b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R.", legacy=False)
        with pytest.raises(zoo.CheckpointError, match="bytearray, as no weights do"):
            zoo.load(small, checkpoint=path)

    def test_whose_members_are_compressed_are_refused(
        self, small: zoo.Record, tmp_path: Path
    ) -> None:
        path = tmp_path / "bomb.pth"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("bomb/data.pkl", b"N" * 1_000_000)
        with pytest.raises(zoo.CheckpointError, match="compressed members"):
            zoo.load(small, checkpoint=path)

    def test_whose_tensors_repeat_their_elements_are_refused(
        self, small: zoo.Record, tmp_path: Path
    ) -> None:
        path = tmp_path / "bomb.pth"
        torch.save({"a.weight": torch.zeros(1).expand(1_000_000, 1_000)}, path)
        with pytest.raises(zoo.CheckpointError, match="repeats its elements"):
            zoo.load(small, checkpoint=path)
        shared = torch.zeros(1_000)
        torch.save({f"{n}.weight": shared for n in range(5_000)}, path)
        with pytest.raises(zoo.CheckpointError, match="many times its own size"):
            zoo.load(small, checkpoint=path)

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_with_numbers_gone_astray_are_refused(
        self, small: zoo.Record, state: dict[str, Tensor], tmp_path: Path, value: float
    ) -> None:
        state["stem.0.weight"][0, 0, 0, 0] = value
        path = tmp_path / "nan.pth"
        torch.save(state, path)
        with pytest.raises(zoo.CheckpointError, match=r"stem\.0\.weight has values that are not f"):
            zoo.load(small.name, checkpoint=path)

    def test_with_integers_for_weights_are_refused(
        self, small: zoo.Record, state: dict[str, Tensor], tmp_path: Path
    ) -> None:
        state["stem.0.weight"] = state["stem.0.weight"].to(torch.int8)
        path = tmp_path / "int8.pth"
        torch.save(state, path)
        with pytest.raises(zoo.CheckpointError, match=r"stem\.0\.weight has values of torch.int8"):
            zoo.load(small.name, checkpoint=path)


class TestConverting:
    def test_asks_before_it_takes_an_unlisted_file(
        self, add_small: Callable[..., zoo.Record], saved: Path, state: dict[str, Tensor]
    ) -> None:
        add_small(weights=[{"file": "other.pth", "sha256": "0" * 64}])
        with pytest.raises(zoo.DigestError, match="not one of the published files of small: other"):
            zoo.convert(saved, "small")
        with safe_open(zoo.convert(saved, "small", unlisted=True), framework="pt") as file:
            assert file.metadata()["source_is_published"] == "false"
        assert_has(zoo.load("small"), state)

    def test_takes_a_listed_file_without_a_known_digest_by_its_name(
        self, add_small: Callable[..., zoo.Record], saved: Path
    ) -> None:
        add_small(weights=[{"file": saved.name}])
        assert zoo.convert(saved, "small").is_file()

    def test_takes_safetensors_of_others(
        self, small: zoo.Record, state: dict[str, Tensor], tmp_path: Path
    ) -> None:
        source = tmp_path / "foreign.safetensors"
        names = {name: f"{rank:04} {name}" for rank, name in enumerate(state)}
        save_file({names[name]: tensor for name, tensor in state.items()}, source)
        with pytest.raises(zoo.MismatchError):
            zoo.convert(source, small.name, unlisted=True)
        zoo.convert(source, small.name, unlisted=True, naming="order")
        assert_has(zoo.load("small"), state)

    def test_refuses_an_unknown_naming(self, small: zoo.Record, saved: Path) -> None:
        with pytest.raises(InvalidArgumentError, match="'mine' is not one of hub, order"):
            zoo.convert(saved, small.name, naming="mine", unlisted=True)

    def test_leaves_nothing_behind_when_it_fails(
        self, small: zoo.Record, saved: Path, folder: Path
    ) -> None:
        saved.write_bytes(saved.read_bytes()[:1000])
        with pytest.raises(zoo.CheckpointError):
            zoo.convert(saved, small.name, unlisted=True)
        assert [path.name for path in folder.iterdir()] == ["records"]


class TestFilesOfTheHub:
    @pytest.fixture
    def converted(self, small: zoo.Record, saved: Path) -> Path:
        return zoo.convert(saved, small.name, unlisted=True)

    def test_are_refused_for_another_model(self, converted: Path, folder: Path) -> None:
        values = zoo.record("small").to_dict()
        (folder / "records/own.json").write_text(json.dumps({"models": {"other": values}}))
        with pytest.raises(zoo.CheckpointError, match="has the weights of small, not other"):
            zoo.load("other", checkpoint=converted)

    @pytest.mark.parametrize("place", [4, -1, -100])
    def test_are_refused_with_one_byte_changed(self, converted: Path, place: int) -> None:
        content = bytearray(converted.read_bytes())
        content[place] ^= 0xFF
        converted.write_bytes(content)
        with pytest.raises(zoo.CheckpointError, match="is damaged"):
            zoo.load("small")

    @pytest.mark.parametrize("length", [0, 5, 1000, -8])
    def test_are_refused_when_truncated(self, converted: Path, length: int) -> None:
        converted.write_bytes(converted.read_bytes()[:length])
        with pytest.raises(zoo.CheckpointError, match="is damaged"):
            zoo.load("small")


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address(saved: Path) -> Iterator[str]:
    """The address of the saved file on a server of our own."""
    handler = partial(_Quiet, directory=saved.parent)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/{saved.name}"
        server.shutdown()
        thread.join()


class TestDownloading:
    def test_converts_what_came(
        self,
        add_small: Callable[..., zoo.Record],
        saved: Path,
        address: str,
        state: dict[str, Tensor],
    ) -> None:
        add_small(**published(saved, url=address))
        assert_has(zoo.load("small", download=True), state)
        assert zoo.weights_path("small").is_file()

    def test_keeps_nothing_of_another_digest(
        self, add_small: Callable[..., zoo.Record], saved: Path, address: str, folder: Path
    ) -> None:
        add_small(weights=[{"file": saved.name, "sha256": "12345678", "url": address}])
        with pytest.raises(zoo.DigestError, match="published with 12345678"):
            zoo.load("small", download=True)
        assert not zoo.weights_path("small").exists()
        assert not list((folder / "downloads").iterdir())

    def test_says_that_the_address_has_no_such_file(
        self, add_small: Callable[..., zoo.Record], address: str
    ) -> None:
        add_small(weights=[{"file": "none.pth", "url": f"{address}.none"}])
        with pytest.raises(zoo.DownloadError, match=r"404.*nbs zoo convert none.pth --model small"):
            zoo.load("small", download=True)

    def test_says_that_there_is_no_network(self, add_small: Callable[..., zoo.Record]) -> None:
        add_small(weights=[{"file": "a.pth", "url": "http://127.0.0.1:9/a.pth"}])
        with pytest.raises(zoo.DownloadError, match=r"Is there a network.*this test"):
            zoo.load("small", download=True)


class _Hostile:
    """Makes a folder when it is unpickled."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.witness),)
