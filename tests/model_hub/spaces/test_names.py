"""Spaces by name, and what importing the hub costs."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from small_spaces import SMALL_SPACES, TINY_SPACES

import model_hub
from model_hub import spaces
from model_hub.errors import InvalidArgumentError, UnknownNameError
from model_hub.model_space import ModelSpace


@pytest.mark.parametrize("name", model_hub.space_names())
def test_a_space_is_made_by_its_name_and_says_so(name: str) -> None:
    space = model_hub.space(name)
    assert isinstance(space, ModelSpace)
    assert type(space) is getattr(spaces, name)
    assert type(space).__name__ == space.choices.name == name


@pytest.mark.parametrize("name", model_hub.space_names())
def test_every_space_counts_and_builds_its_default(name: str) -> None:
    space = model_hub.space(name)
    profile = space.profile(space.choices.default)
    network = space.freeze(space.choices.default)
    assert profile.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert profile.macs > 0


@pytest.mark.parametrize("name", model_hub.space_names())
def test_spaces_of_equal_arguments_are_equal(name: str) -> None:
    assert model_hub.space(name) == model_hub.space(name)
    count = "num_symbols" if name == "LightSpeech" else "num_labels"
    assert model_hub.space(name) != model_hub.space(name, **{count: 7})


def test_lists_of_arguments_become_tuples() -> None:
    space: Any = model_hub.space("ProxylessNAS", base_widths=[8] * 9)
    assert space.base_widths == (8,) * 9


@pytest.mark.parametrize(("name", "nearest"), [("proxylessnas", "ProxylessNAS"), ("NB201", "")])
def test_an_unknown_space_is_refused_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(UnknownNameError, match=f"there is no space '{name}'; .*{nearest}"):
        model_hub.space(name)


def test_an_unknown_argument_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        InvalidArgumentError, match="num_classes: ProxylessNAS has no such argument"
    ):
        model_hub.space("ProxylessNAS", num_classes=10)


@pytest.mark.parametrize("name", model_hub.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    assert getattr(model_hub, name).__doc__ or name == "Sample"


def printed(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_choices_need_no_torch() -> None:
    assert printed("import sys, model_hub; print('torch' in sys.modules)") == "False"


COUNTING = """
import json, sys, time, torch
arguments = json.loads(sys.argv[1])
began = time.process_time()
import model_hub
names = model_hub.space_names()
print(time.process_time() - began)

def check(space):
    # LightSpeech bends its sequences to the durations it predicts, by operations all its own.
    unwanted = {'sympy'} if space == 'LightSpeech' else {'sympy', 'torch._dynamo'}
    if unwanted & sys.modules.keys():
        sys.exit(f'{space} loads {unwanted & sys.modules.keys()}')

for name in sorted(names, key='LightSpeech'.__eq__):
    space = model_hub.space(name, **arguments[name])
    for seed in range(3):
        space.profile(space.choices.sample(seed))
    check(name)
    if name != 'LightSpeech':
        space.freeze(space.choices.sample(0))
        check(name)
"""


@pytest.mark.usefixtures("unmeasured")
def test_all_spaces_load_in_less_than_two_seconds_and_count_without_the_compiler_of_pytorch() -> (
    None
):
    arguments = TINY_SPACES | SMALL_SPACES
    assert set(arguments) == set(model_hub.space_names())
    assert float(printed(COUNTING, json.dumps(arguments))) < 2
