"""From submissions to jobs: what is the same request, and what it is as a worker gets it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from job_requests import DIGEST, MOBILE, MOBILE_RECORD, RunProgram, Submit, network
from nds_networks import CELLS

import model_hub
from model_hub import zoo
from model_hub.protocols import protocol, protocol_names
from service.jobs.kinds import spec_key


class TestTheCanonicalRequest:
    def test_a_model_is_spelled_out_as_its_record(self, submit: Submit) -> None:
        job = submit(network=MOBILE)
        assert job.kind == "model"
        assert job.spec == {
            "network": {
                "model": "proxyless-mobile",
                "space": "ProxylessNAS",
                "arguments": {},
                "arch": dict(MOBILE_RECORD.architecture),
                "checkpoint": None,
                "seed": 0,
            },
            "formats": ["safetensors", "report"],
            "input_shape": [3, 224, 224],
        }
        assert job.key == spec_key("model", job.spec)

    def test_defaults_are_filled_in(self, submit: Submit) -> None:
        job = submit("evaluation", network=MOBILE, dataset="imagenet-val")
        assert {key: value for key, value in job.spec.items() if key != "network"} == {
            "dataset": "imagenet-val",
            "protocol": json.loads(json.dumps(MOBILE_RECORD.protocol.to_dict())),
            "batch_size": 32,
            "precision": "float32",
            "compare": 512,
            "device": "any",
            "compile": False,
            "channels_last": None,
            "on_corrupt": "fail",
        }
        timed = submit("latency", network=MOBILE)
        assert {key: value for key, value in timed.spec.items() if key != "network"} == {
            "device": "any",
            "precision": "float32",
            "channels_last": None,
            "compile": False,
            "batch_size": 1,
            "warmup": 10,
            "repeats": 50,
            "input_shape": [3, 224, 224],
        }

    def test_what_a_worker_needs_stands_beside_it(self, submit: Submit) -> None:
        job = submit("evaluation", network=MOBILE, dataset="mine", device="cuda")
        assert (job.needs_dataset, job.needs_device) == ("mine", "cuda")
        assert submit("latency", network=MOBILE, device="cpu").needs_device == "cpu"
        built = submit(network=MOBILE)
        assert (built.needs_dataset, built.needs_device) == (None, "any")

    def test_priority_and_time_limit_do_not_make_it_another_request(self, submit: Submit) -> None:
        plain = submit(network=MOBILE)
        urgent = submit(network=MOBILE, priority=10, time_limit=60)
        assert urgent.key == plain.key
        assert (urgent.priority, urgent.time_limit) == (10, 60.0)
        assert (plain.priority, plain.time_limit) == (0, None)

    @pytest.mark.parametrize(
        "body",
        [
            {"network": {"benchmark": "natssss", "arch": 5, "dataset": "cifar10"}},
            {"network": MOBILE, "formats": ["onnx"]},
            {"network": MOBILE | {"checkpoint": DIGEST}},
            {
                "network": {
                    "space": "ProxylessNAS",
                    "arch": dict(zoo.record("fairnas-a").architecture),
                }
            }
            if "fairnas-a" in zoo.names()
            else {"network": {"model": "proxyless-cpu"}},
        ],
    )
    def test_another_network_or_other_files_are_another_request(
        self, submit: Submit, body: dict[str, Any]
    ) -> None:
        assert submit(**body).key != submit(network=MOBILE).key

    @pytest.mark.parametrize(
        ("asked", "shape"),
        [
            ({"benchmark": "nasbench201", "arch": 0, "dataset": "cifar10"}, [3, 32, 32]),
            ({"benchmark": "nasbench201", "arch": 0, "dataset": "cifar10-valid"}, [3, 32, 32]),
            ({"benchmark": "nasbench201", "arch": 0, "dataset": "cifar100"}, [3, 32, 32]),
            ({"benchmark": "nasbench201", "arch": 0, "dataset": "ImageNet16-120"}, [3, 16, 16]),
            ({"benchmark": "natssss", "arch": 5, "dataset": "imagenet16-120"}, [3, 16, 16]),
            ({"benchmark": "nds", "arch": CELLS}, [3, 224, 224]),
            ({"model": "proxyless-w0.3-r176"}, [3, 176, 176]),
        ],
    )
    def test_the_input_is_that_of_the_data_set_and_part_of_the_request(
        self, submit: Submit, asked: dict[str, Any], shape: list[int]
    ) -> None:
        for kind in ("model", "latency"):
            job = submit(kind, network=asked)
            assert job.spec["input_shape"] == shape
            assert submit(kind, network=asked, input_shape=shape).key == job.key
            assert submit(kind, **json.loads(json.dumps(job.spec))).key == job.key
            other = submit(kind, network=asked, input_shape=[3, 64, 32])
            assert other.spec["input_shape"] == [3, 64, 32]
            assert other.key != job.key

    @pytest.mark.parametrize("name", zoo.names())
    def test_every_searched_model_takes_the_images_of_its_protocol(
        self, submit: Submit, name: str
    ) -> None:
        shape = submit("latency", network={"model": name}).spec["input_shape"]
        assert shape == list(zoo.record(name).protocol.input_shape)

    def test_the_kind_makes_it_another_request(self, submit: Submit) -> None:
        assert submit("latency", network=MOBILE).key != submit("model", network=MOBILE).key

    def test_formats_are_a_set(self, submit: Submit) -> None:
        job = submit(network=MOBILE, formats=["report", "safetensors", "report"])
        assert job.key == submit(network=MOBILE).key

    def test_a_protocol_by_name_by_value_and_by_default_is_one(self, submit: Submit) -> None:
        body = {"network": MOBILE, "dataset": "d"}
        named = submit("evaluation", **body, protocol="imagenet-224")
        stated = submit("evaluation", **body, protocol=protocol("imagenet-224").to_dict())
        assert MOBILE_RECORD.protocol == protocol("imagenet-224")
        assert submit("evaluation", **body).key == named.key == stated.key
        other = next(name for name in protocol_names() if protocol(name) != MOBILE_RECORD.protocol)
        assert submit("evaluation", **body, protocol=other).key != named.key

    def test_a_seed_matters_only_where_weights_are_drawn(self, submit: Submit) -> None:
        drawn = {"benchmark": "nasbench201", "arch": 0, "dataset": "cifar10"}
        loaded = drawn | {"checkpoint": DIGEST}
        assert submit(network=drawn | {"seed": 1}).key != submit(network=drawn).key
        assert submit(network=loaded | {"seed": 1}).key == submit(network=loaded).key
        assert submit(network=MOBILE | {"seed": 1}).key == submit(network=MOBILE).key


@pytest.mark.parametrize("name", zoo.names())
def test_every_searched_model_can_be_asked_for_and_its_request_again(
    submit: Submit, name: str
) -> None:
    job = submit("evaluation", network={"model": name}, dataset="imagenet-val")
    again = submit("evaluation", **json.loads(json.dumps(job.spec)))
    assert again == job


@pytest.mark.parametrize("name", model_hub.space_names())
def test_the_default_of_every_space_can_be_asked_for_and_its_request_again(
    submit: Submit, name: str
) -> None:
    space = model_hub.space(name)
    job = submit("latency", network={"space": name, "arch": space.choices.default})
    again = submit("latency", **json.loads(json.dumps(job.spec)))
    assert again == job
    asked = network(job)
    rebuilt = model_hub.space(asked["space"], **asked["arguments"])
    assert rebuilt == space
    assert rebuilt.choices.validate(asked["arch"]) == space.canonical(space.choices.default)


def test_requests_are_checked_in_a_process_without_torch(run_program: RunProgram) -> None:
    code = (
        "import sys; assert 'torch' not in sys.modules; sys.modules['torch'] = None\n"
        "from pathlib import Path\n"
        "from bench_client.models import ModelRequest\n"
        "from benchmark_db.catalog import Catalog\n"
        "from service.jobs.kinds import new_job\n"
        f"body = {{'network': {{'benchmark': 'nds', 'arch': {CELLS!r}}}, 'formats': ['picture']}}\n"
        "request = ModelRequest.model_validate(body)\n"
        "job = new_job(request, catalog=Catalog(Path('nowhere')), job_seconds=1.0)\n"
        "print(len(job.key))"
    )
    done = run_program(code)
    assert (done.stdout.strip(), done.stderr) == ("64", "")
