"""The work itself, without a queue: what comes out, and what is refused with a reason."""

from __future__ import annotations

import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import onnxruntime
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from small_spaces import SMALL_SPACES, TINY_SPACES

import model_hub
from bench_client.models import JobKind
from model_hub import zoo
from model_hub.zoo.checkpoints import write_safetensors
from service.jobs.records import Progress
from service.worker.offers import Offers
from service.worker.work import WorkError, Workplace, WorkResult, perform

from .conftest import NETWORK

MODEL = "proxyless-w0.3-r176"
SEARCHED = {
    "model": MODEL,
    "space": "ProxylessNAS",
    "arguments": {},
    "arch": {},
    "checkpoint": None,
    "seed": 0,
}
EVALUATION = {
    "network": SEARCHED,
    "dataset": "sample",
    "protocol": None,
    "batch_size": 50,
    "precision": "float32",
    "compare": 512,
    "device": "any",
    "compile": False,
    "channels_last": None,
    "on_corrupt": "fail",
}
LATENCY = {
    "network": NETWORK,
    "device": "cpu",
    "precision": "bfloat16",
    "channels_last": True,
    "compile": False,
    "batch_size": 2,
    "warmup": 1,
    "repeats": 5,
}

SMALL: Final = {**TINY_SPACES, **SMALL_SPACES, "AutoFormer": TINY_SPACES["AutoFormer"]}
"""By space, what makes its networks small: to export one takes as long as it has layers."""

Perform = Callable[..., WorkResult]


@pytest.fixture
def told() -> list[Progress]:
    """What the work reports."""
    return []


@pytest.fixture
def work(tmp_path: Path, told: list[Progress]) -> Perform:
    """Does a job in a folder of its own, with what is in `datasets` and `checkpoints` beside it."""
    (tmp_path / "scratch").mkdir()

    def run(kind: JobKind, spec: dict[str, Any], **datasets: Path) -> WorkResult:
        return perform(
            kind,
            spec,
            Workplace(
                folder=tmp_path / "scratch",
                device="cpu",
                report=told.append,
                offers=Offers(datasets=datasets),
                checkpoint=lambda digest: tmp_path / digest,
                threads=1,
            ),
        )

    return run


@pytest.fixture
def weights(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the zoo, with the weights of the published checkpoint."""
    monkeypatch.setenv("NASBENCH_ZOO_DIR", str(tmp_path / "zoo"))
    return zoo.convert(shared / "data/zoo/proxyless-w0.3-r176_imagenet.pth", MODEL)


def small(space: str, **arguments: Any) -> dict[str, Any]:
    """Return the default network of a space, as a request has it."""
    return {
        "model": None,
        "space": space,
        "arguments": arguments,
        "arch": dict(model_hub.space(space, **arguments).choices.default),
        "checkpoint": None,
        "seed": 0,
    }


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize("space", model_hub.space_names())
def test_programs_of_every_space_give_the_outputs_of_the_network(work: Perform, space: str) -> None:
    arguments = SMALL[space]
    network = small(space, **arguments)
    choices = model_hub.space(space, **arguments).choices.choices
    # More of the same layers would show nothing more. Where a cell halves the sides, a pool is less
    # than a connection that skips.
    for cell, least in (("", "skip"), ("normal/", "skip_connect"), ("reduce/", "max_pool_3x3")):
        may_be_least = [
            choice.label
            for choice in choices
            if choice.label.startswith(cell) and least in choice.candidates
        ]
        network["arch"] |= dict.fromkeys(may_be_least[2:], least)
    spec: dict[str, Any] = {"network": network, "formats": ["export", "onnx"]}
    if space in SMALL_SPACES and "img_size" not in arguments:
        spec["input_shape"] = [3, 64, 64]
    done = work("model", spec)
    assert done.result["export_difference"] <= 1e-6
    assert done.result["onnx_difference"] <= 1e-4
    assert [file.name for file in done.files] == ["network.pt2", "network.onnx"]
    for file in done.files:
        assert file.path.stat().st_size > 10_000


def test_a_network_can_be_built_again_from_its_weights(work: Perform) -> None:
    done = work("model", {"network": NETWORK, "formats": ["safetensors"]})
    (file,) = done.files
    again = model_hub.space("NasBench201", num_labels=10).freeze(NETWORK["arch"])
    again.load_state_dict(load_file(file.path))
    torch.manual_seed(0)
    own = model_hub.space("NasBench201", num_labels=10).freeze(NETWORK["arch"])
    for name, tensor in own.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)


def test_a_program_takes_batches_of_any_size(work: Perform) -> None:
    done = work("model", {"network": NETWORK, "formats": ["export"]})
    program = torch.export.load(done.files[0].path).module()
    for size in (1, 2, 7):
        assert program(torch.zeros(size, 3, 32, 32)).shape == (size, 10)


def test_a_report_counts_every_layer(work: Perform) -> None:
    done = work("model", {"network": NETWORK, "formats": ["report", "picture"]})
    report = json.loads(done.files[0].path.read_text())
    assert sum(layer["parameters"] for layer in report["layers"]) == report["parameters"]
    assert done.result["parameters"] == report["parameters"]
    assert done.result["input_shape"] == [3, 32, 32]
    assert done.files[1].path.read_text().startswith("<svg")


def test_what_is_counted_and_exported_is_for_the_input_that_is_asked_for(work: Perform) -> None:
    spec = {"network": NETWORK, "formats": ["export", "onnx", "report"], "input_shape": [3, 16, 24]}
    done = work("model", spec)
    program, onnx_file, report = (file.path for file in done.files)
    assert torch.export.load(program).module()(torch.zeros(3, 3, 16, 24)).shape == (3, 10)
    (named,) = onnxruntime.InferenceSession(onnx_file).get_inputs()
    assert named.shape[1:] == [3, 16, 24]
    counted = json.loads(report.read_text())
    assert counted["input_shape"] == done.result["input_shape"] == [3, 16, 24]
    space = model_hub.space("NasBench201", num_labels=10)
    assert counted["macs"] == space.profile(NETWORK["arch"], input_shape=(3, 16, 24)).macs


def test_there_is_no_picture_of_what_has_no_cells(work: Perform) -> None:
    with pytest.raises(WorkError) as caught:
        work("model", {"network": small("ProxylessNAS"), "formats": ["picture"]})
    assert caught.value.kind == "no-cells"


def test_the_published_checkpoint_has_148_of_250_right(
    work: Perform, weights: Path, shared: Path, told: list[Progress]
) -> None:
    assert weights.is_file()
    done = work("evaluation", EVALUATION, sample=shared / "data/imagenet-sample")
    result = done.result
    assert (result["count"], result["right"], result["right_in_five"]) == (250, 148, 210)
    assert result["top1"] == pytest.approx(59.2)
    assert result["skipped"] == []
    assert result["difference"] is None
    assert sum(row["count"] for row in result["classes"]) == 250
    assert (result["num_classes"], result["num_outputs"]) == (len(result["classes"]), 1000)
    assert "and the network 1000 outputs" in result["notes"][0]
    assert result["provenance"]["versions"]["torch"] == torch.__version__
    evaluated = [progress.done for progress in told if progress.stage == "evaluating"]
    assert evaluated == sorted(evaluated)
    assert evaluated[-1] == 250
    assert json.loads(done.files[0].path.read_text()) == json.loads(json.dumps(result))


def test_mixed_precision_tells_its_difference(work: Perform, weights: Path, shared: Path) -> None:
    assert weights.is_file()
    spec = {**EVALUATION, "precision": "mixed-bfloat16", "compare": 50}
    done = work("evaluation", spec, sample=shared / "data/imagenet-sample")
    difference = done.result["difference"]
    assert difference["images"] == 50
    assert difference["same_answer"] >= 45
    assert abs(difference["top1"]) < 10
    assert abs(done.result["right"] - 148) < 8


@pytest.fixture
def three_images(tmp_path: Path) -> Path:
    """A folder with two images and one that is none."""
    folder = tmp_path / "flowers"
    for number in range(3):
        path = folder / f"class-{number}/{number}.png"
        path.parent.mkdir(parents=True)
        Image.new("RGB", (200, 200), (number, 80, 90)).save(path)
    (folder / "class-1/1.png").write_bytes(b"\x89PNG\r\n\x1a\n and nothing else")
    (folder / "classes.txt").write_text("class-00\nclass-0\nclass-1\nclass-2\n")
    return folder


def test_a_corrupt_image_is_named_within_its_data_set(
    work: Perform, weights: Path, three_images: Path
) -> None:
    assert weights.is_file()
    with pytest.raises(WorkError, match=r"class-1/1\.png") as caught:
        work("evaluation", EVALUATION, sample=three_images)
    assert caught.value.kind == "corrupt-image"
    assert str(three_images.parent) not in caught.value.message


def test_corrupt_images_are_left_out_when_asked(
    work: Perform, weights: Path, three_images: Path
) -> None:
    assert weights.is_file()
    spec = {**EVALUATION, "on_corrupt": "skip", "batch_size": 1}
    result = work("evaluation", spec, sample=three_images).result
    assert result["count"] == 2
    assert result["skipped"] == ["class-1/1.png"]
    assert result["notes"] == [
        "the data set has 4 classes and the network 1000 outputs",
        "1 damaged images were left out",
    ]


def test_a_few_classes_whose_outputs_nobody_stated_are_refused(
    work: Perform, weights: Path, three_images: Path
) -> None:
    assert weights.is_file()
    (three_images / "classes.txt").unlink()
    spec = {**EVALUATION, "on_corrupt": "skip"}
    with pytest.raises(WorkError, match="has 3 classes, but the network has 1000 outp") as caught:
        work("evaluation", spec, sample=three_images)
    assert caught.value.kind == "other-classes"


def test_precisions_are_compared_on_images_that_are_whole(
    work: Perform, weights: Path, three_images: Path
) -> None:
    assert weights.is_file()
    (three_images / "class-1").rename(three_images / "class-00")  # the first of all
    spec = {**EVALUATION, "precision": "mixed-bfloat16", "compare": 1, "on_corrupt": "skip"}
    result = work("evaluation", spec, sample=three_images).result
    assert result["skipped"] == ["class-00/1.png"]
    assert result["difference"]["images"] == 1


def test_an_archive_is_evaluated_like_its_folder(
    work: Perform, weights: Path, three_images: Path, tmp_path: Path
) -> None:
    assert weights.is_file()
    shutil.rmtree(three_images / "class-1")
    archive = tmp_path / "flowers.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(three_images, arcname=".")
    from_folder = work("evaluation", EVALUATION, sample=three_images).result
    from_archive = work("evaluation", EVALUATION, sample=archive).result
    assert from_archive["loss"] == from_folder["loss"]
    assert from_archive["classes"] == from_folder["classes"]
    digests = [found["provenance"]["dataset_sha256"] for found in (from_folder, from_archive)]
    assert digests[0] == digests[1]


def test_missing_weights_say_where_to_get_them(
    work: Perform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NASBENCH_ZOO_DIR", str(tmp_path / "none"))
    with pytest.raises(WorkError, match="nbs zoo convert FILE --model") as caught:
        work("model", {"network": SEARCHED, "formats": ["safetensors"]})
    assert caught.value.kind == "missing-weights"
    assert str(tmp_path) not in caught.value.message


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (lambda tensors: tensors.pop("fc.bias", None) or tensors.popitem(), "other-network", "is"),
        (
            lambda tensors: tensors.update(extra=torch.zeros(2)),
            "other-network",
            "is not in the network",
        ),
        (
            lambda tensors: tensors.update(
                {next(iter(tensors)): torch.zeros(3, 5, dtype=torch.float32)}
            ),
            "other-network",
            "is 3x5, not",
        ),
    ],
)
def test_weights_of_another_network_are_refused(
    work: Perform, tmp_path: Path, change: Callable[[dict[str, Any]], Any], kind: str, message: str
) -> None:
    network = model_hub.space("NasBench201", num_labels=10).freeze(NETWORK["arch"])
    tensors = dict(network.state_dict())
    change(tensors)
    write_safetensors(tmp_path / "weights", tensors, {})
    spec = {"network": {**NETWORK, "checkpoint": "weights"}, "formats": ["safetensors"]}
    with pytest.raises(WorkError, match=message) as caught:
        work("model", spec)
    assert caught.value.kind == kind


def test_truncated_weights_are_refused(work: Perform, tmp_path: Path) -> None:
    network = model_hub.space("NasBench201", num_labels=10).freeze(NETWORK["arch"])
    path = tmp_path / "weights"
    write_safetensors(path, network.state_dict(), {})
    path.write_bytes(path.read_bytes()[:-100])
    spec = {"network": {**NETWORK, "checkpoint": "weights"}, "formats": ["safetensors"]}
    with pytest.raises(WorkError) as caught:
        work("model", spec)
    assert caught.value.kind == "damaged-checkpoint"
    assert str(tmp_path) not in caught.value.message


def test_a_network_too_large_for_the_machine_is_refused_before_it_is_made(work: Perform) -> None:
    network = small("NasBench101", stem_out_channels=1 << 16)
    with pytest.raises(WorkError, match="the weights take") as caught:
        work("model", {"network": network, "formats": ["safetensors"]})
    assert caught.value.kind == "too-large"


def test_weights_too_large_for_an_onnx_file_are_refused(
    work: Perform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.worker.exporting._ONNX_BYTES", 1000)
    with pytest.raises(WorkError, match="an ONNX file holds no more than 1000") as caught:
        work("model", {"network": NETWORK, "formats": ["safetensors", "onnx"]})
    assert caught.value.kind == "too-large"


def test_inputs_too_large_for_the_machine_are_no_crash(work: Perform) -> None:
    spec = LATENCY | {"batch_size": 1 << 42}
    with pytest.raises(WorkError, match="cpu has too little memory") as caught:
        work("latency", spec)
    assert caught.value.kind == "out-of-memory"


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_worker_without_a_compiler_says_so(work: Perform) -> None:
    with (
        torch._inductor.config.patch({"cpp.cxx": (None, "no-such-compiler")}),
        pytest.raises(WorkError, match="set `compile` to false") as caught,
    ):
        work("latency", LATENCY | {"compile": True})
    assert caught.value.kind == "not-compilable"


@pytest.mark.parametrize("name", ["network.pt2", "network.onnx"])
def test_a_program_tells_nothing_of_the_worker_that_made_it(work: Perform, name: str) -> None:
    form = {"network.pt2": "export", "network.onnx": "onnx"}[name]
    (file,) = work("model", {"network": NETWORK, "formats": [form]}).files
    content = file.path.read_bytes()
    if zipfile.is_zipfile(file.path):
        with zipfile.ZipFile(file.path) as archive:
            content = b"".join(map(archive.read, archive.namelist()))
    for place in (Path(model_hub.__file__).parent, Path(torch.__file__).parent, file.path.parent):
        assert str(place).encode() not in content


@pytest.mark.parametrize(
    ("labels", "kind", "message"),
    [
        ("file,label\na.png,1000\n", "too-few-outputs", "label 1000 .* 1000 outputs"),
        ("file,label\nb.png,1\n", "unusable-dataset", "there is no file"),
        ("name\n", "unusable-dataset", "lacks a column"),
    ],
)
def test_a_data_set_that_does_not_fit_is_told_from_a_damaged_image(
    work: Perform, weights: Path, tmp_path: Path, labels: str, kind: str, message: str
) -> None:
    assert weights.is_file()
    folder = tmp_path / "flowers"
    folder.mkdir()
    Image.new("RGB", (200, 200)).save(folder / "a.png")
    (folder / "labels.csv").write_text(labels)
    with pytest.raises(WorkError, match=message) as caught:
        work("evaluation", EVALUATION, sample=folder)
    assert caught.value.kind == kind
    assert str(tmp_path) not in caught.value.message


def test_a_data_set_that_went_away_is_named(work: Perform, weights: Path) -> None:
    assert weights.is_file()
    with pytest.raises(WorkError, match="no data set 'sample'"):
        work("evaluation", EVALUATION)


def test_latency_is_in_seconds(work: Perform) -> None:
    result = work("latency", LATENCY).result
    assert 0 < result["minimum"] <= result["median"] <= result["upper_quartile"] < 10
    assert (result["batch_size"], result["repeats"]) == (2, 5)
    assert result["input_shape"] == [3, 32, 32]


def test_latency_is_of_the_input_that_is_asked_for(work: Perform) -> None:
    result = work("latency", LATENCY | {"input_shape": [3, 8, 12]}).result
    assert result["input_shape"] == [3, 8, 12]
