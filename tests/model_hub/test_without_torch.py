"""What a server does without PyTorch: choose, validate, locate rows, read records, draw cells."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from nds_networks import CELLS, RESIDUAL

import model_hub
from missing_extra import install_command
from model_hub.blocks.cell_operations import CELL_OPERATIONS
from model_hub.cells import OPERATIONS as CELL_NAMES
from model_hub.spaces import (
    DARTS,
    ENAS,
    NASBERT,
    PNAS,
    AmoebaNet,
    LightSpeech,
    MobileNetV3Space,
    NASNet,
)
from model_hub.spaces.lightspeech_network import OPERATIONS as LIGHTSPEECH_OPERATIONS
from model_hub.spaces.mobilenetv3_network import ACTIVATIONS
from model_hub.spaces.nas_bert_network import HEAD_DIM
from model_hub.spaces.nas_bert_network import OPERATIONS as NAS_BERT_OPERATIONS

_WITHOUT = "import sys; sys.modules['torch'] = None\nimport json, model_hub\n"

_ARCH = "|conv_3x3~0|+|none~0|skip_connect~1|+|nor_conv_1x1~0|none~1|avg_pool_3x3~2|"
_ROWS: tuple[dict[str, Any], ...] = (
    {"benchmark": "nasbench101", "arch": {"op1": "conv3x3", "input1": [0], "input2": [0, 1]}},
    {"benchmark": "nasbench201", "arch_str": _ARCH, "dataset": "cifar100"},
    {"benchmark": "natssss", "arch_str": "8:16:24:32:64", "dataset": "cifar10"},
    CELLS | {"dataset": "cifar10"},
    {"config": RESIDUAL | {"dataset": "imagenet"}, "parameters": 0.636648},
)


def printed(code: str) -> Any:
    """Run code in a process that cannot import PyTorch and read the JSON that it prints."""
    command = [sys.executable, "-c", _WITHOUT + code]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_samples_of_every_space_are_drawn_validated_changed_and_encoded() -> None:
    code = """
seen = []
for name in model_hub.space_names():
    choices = model_hub.space(name).choices
    sample = choices.sample(0)
    assert choices.validate(sample) == sample
    assert choices.mutate(sample, 1) != sample
    assert choices.decode(choices.encode(sample)) == sample
    assert choices.default in choices
    seen.append(name)
print(json.dumps(seen))
"""
    assert printed(code) == list(model_hub.space_names())


def test_samples_outside_a_space_and_arguments_without_meaning_are_refused() -> None:
    code = """
refused = []
for make in (
    lambda: model_hub.space("MobileNetV3Space", activation=["gelu"] * 9),
    lambda: model_hub.space("NASBERT", hidden_sizes=[65]),
    lambda: model_hub.space("NASNet", dataset="mnist"),
    lambda: model_hub.space("NasBench201").choices.validate({"cell/0_1": "conv_5x5"}),
    lambda: model_hub.space("LightSpeech").choices.validate({"encoder_0": "sepconv3"}),
    lambda: model_hub.space("Vanilla", stem="none"),
):
    try:
        make()
    except model_hub.ModelHubError as error:
        refused.append(type(error).__name__)
print(json.dumps(refused))
"""
    argument, sample = "InvalidArgumentError", "InvalidSampleError"
    assert printed(code) == [argument, argument, argument, sample, sample, argument]


def test_rows_of_all_benchmarks_are_located() -> None:
    code = f"""
found = []
for row in {list(_ROWS)!r}:
    space, sample = model_hub.locate(row)
    space.choices.validate(sample)
    found.append([type(space).__name__, getattr(space, "stem", None)])
print(json.dumps(found))
"""
    assert printed(code) == [
        ["NasBench101", None],
        ["NasBench201", None],
        ["NatsSss", None],
        ["NdsCells", None],
        ["ResidualBasic", "resnet"],
    ]


def test_every_record_is_read_and_its_architecture_is_of_its_space() -> None:
    code = """
from model_hub import zoo
from model_hub.protocols import protocol, protocol_names
for record in zoo.all_records().values():
    space = model_hub.space(record.space, **record.arguments)
    space.choices.validate(record.architecture)
    assert zoo.record(record.name).protocol.input_size > 0
assert all(protocol(name) for name in protocol_names())
print(json.dumps(len(zoo.names())))
"""
    assert printed(code) > 20


def test_cells_are_drawn() -> None:
    code = f"print(json.dumps([model_hub.cell_svg(row)[:4] for row in {list(_ROWS[:2])!r}]))"
    assert printed(code) == ["<svg", "<svg"]


def test_a_network_says_what_it_lacks() -> None:
    code = """
space = model_hub.space("ProxylessNAS")
try:
    space.freeze(space.choices.default)
except ImportError as error:
    print(json.dumps([error.name, str(error)]))
"""
    wanted = f"a network needs torch: {install_command('hub')}"
    assert printed(code) == ["torch", wanted]


def test_importing_the_hub_loads_no_torch_and_takes_less_than_a_second() -> None:
    code = (
        "import time; began = time.process_time(); import model_hub;"
        "model_hub.space('NASBERT').choices.sample(0);"
        "import sys; print(time.process_time() - began, 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, loaded = done.stdout.split()
    assert float(seconds) < 1
    assert loaded == "False"


def _candidates(space: Any, label: str) -> set[Any]:
    return {
        candidate
        for choice in space.choices.choices
        if choice.label.startswith(label)
        for candidate in choice.candidates
    }


def test_the_names_that_spaces_choose_from_are_those_that_networks_know() -> None:
    assert _candidates(LightSpeech(), "encoder") == set(LIGHTSPEECH_OPERATIONS)
    assert _candidates(NASBERT(), "b0_i") == set(NAS_BERT_OPERATIONS)
    NASBERT(hidden_sizes=(HEAD_DIM,))
    for name in ACTIVATIONS:
        MobileNetV3Space(activation=(name,) * 9)


@pytest.mark.parametrize("kind", [AmoebaNet, DARTS, ENAS, NASNet, PNAS])
def test_operations_of_cells_are_those_that_networks_know(kind: Any) -> None:
    assert set(kind.operations) <= set(CELL_OPERATIONS)


def test_the_operations_that_given_cells_may_have_are_those_that_networks_know() -> None:
    assert set(CELL_NAMES) == set(CELL_OPERATIONS)
