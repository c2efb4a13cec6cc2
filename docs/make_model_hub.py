"""Makes docs/model-hub.md of the spaces, the records of the zoo and results of tests.

    python docs/make_model_hub.py

What spaces do not know of themselves stands in model-hub-spaces.toml; which of them have stage 4 in
model-hub-stages.json, which mark_stages.py writes.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import model_hub
from model_hub import zoo
from model_hub.protocols import EvaluationProtocol, protocol, protocol_names

FOLDER: Final = Path(__file__).resolve().parent
PAGE: Final = FOLDER / "model-hub.md"
RESULTS: Final = FOLDER / "model-hub-stages.json"
_NOTHING: Final = "-"
_STAGES: Final = ("1", "2", "3", "4", "5")
_MILLION: Final = 1e6
_LARGEST_EXACT: Final = 10**6

_TEXT: Final = """\
<!-- Made by docs/make_model_hub.py of the spaces and the records; changes belong there. -->
# The model hub

A **space** is a family of networks with choices; a **sample** says what is chosen; `freeze` makes
the network. The **zoo** has searched models: a space, a sample, published weights and the
preprocessing that they were measured with.

```python
import model_hub
from model_hub import zoo

space = model_hub.space("ProxylessNAS", num_labels=10)
network = space.freeze(space.choices.sample(seed=0))

record = zoo.record("proxyless-mobile")
network = zoo.load("proxyless-mobile", pretrained=False)
```

## Spaces

Sizes are products of the numbers of candidates; samples that differ only in blocks that are not
kept count as different.

{spaces}

How far each space is tried, and by which test: 1 it runs: published or recorded counts come out,
and outputs where some are recorded, the loss falls in a few steps and gradients reach every
parameter, bad arguments and samples are refused; 2 a published checkpoint is loaded and evaluated,
which needs its file; 3 the searched architecture is trained from scratch to the accuracy that was
published; 4 random search and regularized evolution run 20 trials, each of which trains a small
network for a step, and go on after 10 from their file, and so does evolution on the inherited
weights of a small [supernet](one-shot.md); 5 a published search result is reproduced.
Stage 4 is marked by what these tests say, which `python docs/mark_stages.py` runs. `Inherited`
compares networks that classify images or texts; those of LightSpeech, which speak, are compared by
a loss of the test's own.

{stages}

Nothing has been trained to the end here, so that 3 is reached nowhere. Stage 5 needs what a
search could find, trained: NAS-Bench-201 is the one space whose networks all are, in a table that
is at hand. Its published comparison of strategies comes out, see
[performance.md](performance.md#the-published-comparison). Of the other spaces with a table,
NAS-Bench-101 and NatsSss have but samples here; the rest are searched in papers on ImageNet, for
days of GPUs.

## Searching and building

`nas_search` searches every space with an evaluation of your own, such as a training:

```python
import torch
from sklearn.datasets import load_digits

import model_hub
from nas_search import Budget, SpaceProblem, Study
from nas_search.strategies import RegularizedEvolution
from nas_search.training import Classification, Images, Recipe, split


def search(path, space, evaluator, objective, strategy, trials):
    problem = SpaceProblem(space, evaluator, objectives=[objective])
    with Study(path, problem, strategy) as study:  # a file that is there is gone on with
        study.run(Budget(trials=trials))
        return study.trials


digits = load_digits()
pixels = torch.from_numpy(digits.images * 15.9).to(torch.uint8)
pixels = pixels[:, None].repeat(1, 3, 1, 1).repeat_interleave(4, 2).repeat_interleave(4, 3)
images = Images(pixels, torch.from_numpy(digits.target))  # 1,797 of 3 x 32 x 32
train, valid = split(images, (0.5, 0.5), seed=0)

trials = search(
    "evolution.study",
    model_hub.space("NasBench201", stem_out_channels=4, num_modules_per_stack=1),
    Classification(
        train.part(torch.arange(64)), valid.part(torch.arange(64)), recipe=Recipe(batch_size=32)
    ),
    "accuracy",
    RegularizedEvolution(population_size=2, sample_size=2, seed=0),
    trials=3,
)
print(max(trials, key=lambda trial: trial.accuracy).sample)
```

A function of a sample will do in place of `Classification`, for spaces whose inputs are no images
and for measures of your own: `lambda sample: space.profile(sample).macs`.

`model_hub.build(row)` makes the network of a row of a benchmark. The residual and plain networks of
NDS for ImageNet begin with one of two stems, and their rows do not say with which: a 7x7
convolution of stride 2 and a max pooling (`stem="resnet"`), or a 3x3 convolution of stride 2
(`stem="simple"`). That one is built that gives the recorded number of parameters. A row whose
number fits neither is refused, as are those of a sample database, which are made up; so is a
configuration without it, and the message has the arguments of the space for whoever knows the stem.

## The zoo

Top 1 in percent: first as NNI v3.0 documents its own evaluation of the authors' weights, then as
the authors published it. Parameters and multiply-adds are in millions, at the model's input size,
of convolutions and linear layers.

{models}

A `*` marks weights that an evaluation in this repository has confirmed: `proxyless-w0.3-r176` has
148 of 250 images of a public sample right and 210 among its first five, by rule and by order and
shape. That is another set of images than the published 57.0 % stands for. No other weights were at
hand; their records, names and shapes are tested, their accuracy is not.

Preprocessing belongs to weights. The protocols:

{protocols}

## Weights

Weights lie in `$NASBENCH_ZOO_DIR`, else `~/.nasbenchmark/zoo`, as `NAME.safetensors`. A published
file is converted once:

```console
nbs zoo convert mobilenetv3_large_100_ra-f55367f5.pth --model mobilenetv3-large-100
nbs zoo evaluate mobilenetv3-large-100 --images imagenet/val
```

It is read without running anything it may carry, and there is no option to do otherwise; its
SHA-256 is compared with the published one; every tensor must have its place, by its name or, with
`--naming order`, by order and shape. `zoo.load(NAME, download=True)` tries the recorded address.

`nbs zoo evaluate` reads a folder a class, a folder with `labels.csv` (columns `file`, `label`), an
uncompressed tar archive of either, and CIFAR as published. An archive is made by
`tar -cf images.tar -C FOLDER .`, so that the classes are outermost, and is never unpacked.
Evaluation jobs read the same.

Which folder is which output is not guessed. Folders named `0`, `1`, … are the labels that they say,
all from 0 on; other names are in the order of their letters, as many as the network has outputs.
Anything else (a part of the classes, numbers that leave some out, `class2` beside `class10`) needs
a `classes.txt` beside the folders: the name of a folder a line, output 0 first, those without
images among them. Hidden files and folders (`.git`, `._x.png`, `__MACOSX`, …) do not count; classes
that are not the outermost folders are refused. `labels.csv` states labels itself: UTF-8 with or
without a byte-order mark, commas, a first line `file,label`, which a table of two columns may lack;
no file twice. Every result says how many classes and how many outputs there were.

`--skip-damaged` leaves damaged images out and names them; otherwise the first ends the evaluation.
Resize, crop and rounding are torchvision's on PIL images, bit by bit.

## Adding a model

A JSON file in `records` in the folder of weights, or in `model_hub/zoo/records` for everybody:

```json
{{
  "models": {{
    "my-model": {{
      "space": "ProxylessNAS",
      "arguments": {{"num_labels": 10}},
      "architecture": {{"s2_depth": 1, "s2_i0": "k3e3", "…": "…"}},
      "protocol": "imagenet-224",
      "weights": [{{"file": "my-model.pth", "sha256": "…", "inside": "state_dict"}}],
      "licence": "MIT",
      "origin": "whose it is"
    }}
  }}
}}
```

## Adding a space

A space is two modules in `model_hub/spaces`; `natssss.py` and `natssss_network.py` are a short
example. `X.py` has a subclass of `ModelSpace`, a frozen dataclass of its arguments: their checks,
the choices, the shape of an input, and how many blocks there may be. It needs no PyTorch, so that
a server can check samples. `X_network.py` builds the network and is imported in `_network`. Blocks
that several spaces share are in `model_hub/blocks`. Name the class in
`model_hub/spaces/__init__.py`, and its paper and its tests in `docs/model-hub-spaces.toml`.

For a [supernet](one-shot.md), a space says in `sharing` at which paths its choices decide what
stands there, which sequences have a depth and how large layers are told to be; `located` undoes the
shifts of names that left-out blocks cause, and `placed` says where anything else is stored. Without
`sharing` a supernet of the space is refused. Add the space to
`tests/nas_search/oneshot/conftest.py`: the tests there hold its supernet against its frozen
networks.

Say in `tests/nas_search/test_stage_four.py` and, if it has a supernet, in
`tests/nas_search/oneshot/test_searches.py` how its networks become small, and run
`docs/mark_stages.py`, which takes some minutes, and then `docs/make_model_hub.py`.
"""


def page() -> str:
    """Return the page."""
    known = tomllib.loads((FOLDER / "model-hub-spaces.toml").read_text("utf-8"))
    searched = json.loads(RESULTS.read_text("utf-8"))
    return _TEXT.format(
        spaces=_table(("space", "arguments", "labels", "size", "paper"), _spaces(known)),
        stages=_table(("space", *_STAGES), _reached(known, searched)),
        models=_table(
            (
                "model",
                "space",
                "input",
                "parameters",
                "multiply-adds",
                "NNI",
                "authors",
                "protocol",
                "licence",
                "weights",
            ),
            (_model(record) for record in zoo.all_records().values()),
        ),
        protocols=_table(
            ("protocol", "what is done"), ((name, protocol(name)) for name in protocol_names())
        ),
    )


def _spaces(known: Mapping[str, Any]) -> Iterable[Sequence[object]]:
    for name in sorted(model_hub.space_names(), key=str.lower):
        for arguments in known[name].get("configurations", [{}]):
            choices = model_hub.space(name, **arguments).choices
            yield (
                name,
                _written(arguments),
                len(choices.choices),
                _size(choices.raw_size),
                (known[name]["paper"]),
            )


def _reached(known: Mapping[str, Any], searched: Mapping[str, Any]) -> Iterable[Sequence[object]]:
    for name in sorted(model_hub.space_names(), key=str.lower):
        tests = dict(known[name].get("stages", {}))
        links = {stage: _link(test) for stage, test in tests.items()}
        outcomes = searched["spaces"].get(name, {})
        if outcomes and set(outcomes.values()) == {"passed"}:
            files = sorted({searched["tests"][strategy] for strategy in outcomes}, reverse=True)
            links["4"] = ", ".join(map(_link, files))
        yield name, *(links.get(stage, _NOTHING) for stage in _STAGES)


def _model(record: zoo.Record) -> Sequence[object]:
    counts = zoo.counts()[record.name]
    ours = [each.top1 for each in record.figures if each.source.startswith("NNI")]
    theirs = [each for each in record.figures if not each.source.startswith("NNI")]
    confirmed = " *" if record.name == "proxyless-w0.3-r176" else ""
    return (
        f"`{record.name}`{confirmed}",
        record.space,
        record.protocol.input_size,
        f"{counts.parameters / _MILLION:.3f}",
        f"{counts.macs / _MILLION:.1f}",
        ours[0] if ours else _NOTHING,
        f"{theirs[0].top1} ({theirs[0].source})" if theirs else _NOTHING,
        _name_of(record.protocol),
        record.licence,
        ", ".join(f"`{file.file}`" for file in record.weights),
    )


def _name_of(used: EvaluationProtocol) -> str:
    return next((name for name in protocol_names() if protocol(name) == used), str(used))


def _size(size: int) -> str:
    return f"{size:,}" if size < _LARGEST_EXACT else f"{size:.2e}"


def _written(arguments: Mapping[str, object]) -> str:
    return ", ".join(f"`{name}={value}`" for name, value in arguments.items())


def _link(test: str) -> str:
    return f"[{Path(test).stem}](../{test})"


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
