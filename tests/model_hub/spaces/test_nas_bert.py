"""NAS-BERT: published figures, padding, training, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import sqrt
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from model_hub.errors import InvalidArgumentError, InvalidSampleError, UnknownNameError
from model_hub.spaces.nas_bert import NASBERT
from model_hub.spaces.nas_bert_network import OPERATIONS, Dropouts, NASBERTEncoder

# one-shot.md, section F1.5: millions of parameters without a head, 50,265 ids, 512 positions.
MILLIONS = {
    "60M": 58.62,
    "55M": 54.44,
    "50M": 47.08,
    "45M": 44.48,
    "40M": 41.84,
    "35M": 31.09,
    "30M": 32.14,
    "20M": 17.44,
    "15M": 14.95,
    "10M": 11.33,
    "5M": 4.48,
}

# one-shot.md, section F1.2: the indices of the 5M network as it was released, 6 a width.
INDICES_5M = [9, 11, 7, 0, 0, 0, 11, 11, 7, 0, 0, 0, 9, 7, 11, 0, 0, 0, 10, 7, 9, 0, 0, 0]
INDEXED_WIDTHS = (128, 192, 384, 512, 768)
INDEXED_LAYERS = (None, "mha", "ffn", "sepconv3", "sepconv5", "sepconv7")

NO_DROPOUT = Dropouts(hidden=0, attention=0, activation=0)


@pytest.fixture
def small() -> NASBERT:
    return NASBERT(vocabulary=20, embed_dim=8, hidden_sizes=(64, 128), max_length=12)


def ids_of(*lengths: int, padding_id: int = 1) -> torch.Tensor:
    """Make sequences of these lengths, padded to the longest; none has the id of padding inside."""
    random = torch.Generator().manual_seed(0)
    ids = torch.full((len(lengths), max(lengths)), padding_id)
    for row, length in zip(ids, lengths, strict=True):
        row[:length] = torch.randint(2, 20, (length,), generator=random)
    return ids


def test_a_block_has_the_published_number_of_paths() -> None:
    # one-shot.md, section H
    assert NASBERT().choices.size == 97_650**4


@pytest.mark.parametrize(("name", "millions"), MILLIONS.items())
def test_the_released_networks_have_their_parameters(name: str, millions: float) -> None:
    space, sample = NASBERT.released(name)
    with torch.device("meta"):
        network: Any = space.freeze(sample)
    parameters = sum(parameter.numel() for parameter in network.encoder.parameters())
    assert round(parameters / 1e6, 2) == millions


@pytest.mark.parametrize("kernel_size", [3, 5, 7])
def test_25m_has_its_size_with_any_kernel_in_the_place_that_is_not_known(kernel_size: int) -> None:
    with torch.device("meta"):
        encoder = NASBERTEncoder(
            [
                (384, ["sepconv3", "mha", "sepconv5", "sepconv3", "sepconv3", "sepconv5"]),
                (512, ["sepconv7", "sepconv5", "mha", "ffn", "ffn", "mha"]),
                (512, [f"sepconv{kernel_size}", "mha", "mha", "ffn"]),
            ],
            vocabulary=50_265,
            embed_dim=256,
            max_length=512,
            padding_id=1,
            dropouts=Dropouts(),
        )
    parameters = sum(parameter.numel() for parameter in encoder.parameters())
    assert parameters / 1e6 == pytest.approx(27.50, abs=0.01)


def test_the_released_layers_are_those_of_the_table(shared: Path) -> None:
    records = json.loads((shared / "specs/oneshot-archs.json").read_text())["nas_bert"]
    for name, record in records["architectures_table10"].items():
        if name == "25M":
            continue
        space, sample = NASBERT.released(name)
        layers = [
            [
                key.rstrip("357"),
                sample[f"b{block}_hidden"],
                int(key[-1]) if key[-1] in "357" else None,
            ]
            for block in range(4)
            for place in range(sample[f"b{block}_depth"])
            for key in [sample[f"b{block}_i{place}"]]
        ]
        assert (space.embed_dim, layers) == (record["embedding"], record["ops"])


def test_the_5m_network_is_the_one_of_its_released_indices() -> None:
    expected: dict[str, Any] = {}
    for block in range(4):
        indices = [index for index in INDICES_5M[6 * block : 6 * block + 6] if index]
        widths = {INDEXED_WIDTHS[index // 6] for index in indices}
        expected |= {f"b{block}_hidden": widths.pop(), f"b{block}_depth": len(indices)}
        expected |= {f"b{block}_i{i}": INDEXED_LAYERS[n % 6] for i, n in enumerate(indices)}
    assert NASBERT.released("5M")[1] == expected


def test_counting_reads_ids_and_sees_every_layer(small: NASBERT) -> None:
    sample = small.choices.default
    profile = small.profile(sample, input_shape=(10,))
    network = small.freeze(sample)
    # Four blocks of one attention: projections of the width, and what makes the width of 8.
    assert profile.macs == 10 * (8 * 64 + 4 * 4 * 64 * 64) + 64 * 2
    assert profile.parameters == sum(parameter.numel() for parameter in network.parameters())


def test_products_of_attention_are_told_apart() -> None:
    space, sample = NASBERT.released("5M")
    with torch.device("meta"):
        network: Any = space.freeze(sample)
    assert network.encoder.product_macs(128) == 4 * 2 * 128**2 * 192


def test_the_encoder_gives_tokens_and_the_network_logits(small: NASBERT) -> None:
    network: Any = small.freeze(small.choices.default | {"b3_hidden": 128})
    ids = ids_of(7, 5)
    assert network.encoder(ids).shape == (2, 7, 128)
    assert network(ids).shape == (2, 2)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_keeps_the_shape_and_does_not_see_padding(name: str) -> None:
    torch.manual_seed(0)
    operation = OPERATIONS[name](64, Dropouts()).double().eval()
    x = torch.randn(2, 9, 64, dtype=torch.float64)
    padding = torch.arange(9).expand(2, 9) >= torch.tensor([[6], [9]])
    before = operation(x, padding)
    assert before.shape == x.shape
    x[0, 6:] = 100
    after = operation(x, padding)
    torch.testing.assert_close(after[~padding], before[~padding])


def test_more_padding_changes_nothing(small: NASBERT) -> None:
    torch.manual_seed(0)
    network: Any = small.freeze(small.choices.sample(3)).double().eval()
    ids = ids_of(5, 8)
    padded = nn.functional.pad(ids, (0, 4), value=1)
    torch.testing.assert_close(network(padded), network(ids))
    alone = network(ids[:1, :5])
    torch.testing.assert_close(network(ids)[:1], alone)


def test_an_input_of_nothing_but_padding_gives_numbers(small: NASBERT) -> None:
    network = small.freeze(small.choices.sample(3)).eval()
    assert network(torch.ones(1, 6, dtype=torch.int64)).isfinite().all()


def test_the_order_of_tokens_matters(small: NASBERT) -> None:
    network = small.freeze(small.choices.default).eval()
    ids = ids_of(6)
    assert not torch.allclose(network(ids), network(ids.flip(1)))


@pytest.mark.parametrize("seed", range(3))
def test_it_trains(small: NASBERT, seed: int) -> None:
    torch.manual_seed(0)
    space = NASBERT(
        vocabulary=20, embed_dim=8, hidden_sizes=(64, 128), max_length=12, dropout_rate=0
    )
    network = space.freeze(small.choices.sample(seed))
    ids, labels = ids_of(8, 12, 3, 9), torch.tensor([0, 1, 0, 1])
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(ids), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_weights_start_as_the_specification_says() -> None:
    torch.manual_seed(0)
    space = NASBERT(vocabulary=1000)
    sample = space.choices.default | {"b0_i0": "ffn", "b1_i0": "sepconv5", "b1_hidden": 256}
    encoder: Any = space.freeze(sample).encoder
    assert encoder.embedding.weight.std().item() == pytest.approx(0.02, rel=0.01)
    assert not encoder.embedding.weight[1].any()
    assert encoder.blocks[0].layers[0].fc1.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert encoder.blocks[1].projection.weight.std().item() == pytest.approx(0.02, rel=0.02)
    convolution = encoder.blocks[1].layers[0].layers[0]
    std = sqrt(4 * (1 - 0.1) / (5 * 256))
    assert convolution.pointwise.weight.std().item() == pytest.approx(std, rel=0.02)
    assert convolution.depthwise.weight.std().item() == pytest.approx(std, rel=0.1)
    assert not convolution.pointwise.bias.any()


def test_equal_widths_need_no_projection(small: NASBERT) -> None:
    sample = small.choices.default | {"b2_hidden": 128}
    encoder: Any = small.freeze(sample).encoder
    assert [block.projection is not None for block in encoder.blocks] == [False, False, True, True]
    same = NASBERT(embed_dim=64, hidden_sizes=(64,), vocabulary=20)
    assert same.freeze(same.choices.default).encoder.projection is None  # type: ignore[union-attr]


def test_all_ways_to_a_network_are_one(small: NASBERT, freezes_alike: Callable[..., None]) -> None:
    freezes_alike(small, small.choices.sample(0))


def test_too_many_ids_are_refused(small: NASBERT) -> None:
    with pytest.raises(InvalidArgumentError, match="ids: 13 are more than max_length 12"):
        small.freeze(small.choices.default)(ids_of(13))


@pytest.mark.parametrize("name", ["25M", "60", "NAS-BERT"])
def test_an_unknown_network_is_refused(name: str) -> None:
    with pytest.raises(UnknownNameError, match="there is no released NAS-BERT"):
        NASBERT.released(name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"b0_hidden": 768}, "b0_hidden: 768 is not one of 128, 192"),
        ({"b3_depth": 0}, "b3_depth: 0 is not one of 1, 2"),
        ({"b1_i0": "sepconv9"}, "b1_i0: 'sepconv9' is not one of 'mha', 'ffn'"),
        ({"b1_depth": 2}, "b1_i1: the sample lacks this label of NASBERT"),
    ],
)
def test_a_bad_sample_is_refused_by_label(change: dict[str, Any], message: str) -> None:
    space = NASBERT()
    with pytest.raises(InvalidSampleError) as caught:
        space.freeze(space.choices.default | change)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    "arguments",
    [
        {"vocabulary": 0},
        {"embed_dim": 0.5},
        {"hidden_sizes": ()},
        {"hidden_sizes": (128, 100)},
        {"hidden_sizes": (128, 128)},
        {"hidden_sizes": 128},
        {"max_length": 0},
        {"padding_id": 50_265},
        {"padding_id": -1},
        {"num_labels": 0},
        {"dropout_rate": 2},
        {"attention_dropout_rate": -1},
        {"activation_dropout_rate": "none"},
    ],
)
def test_a_bad_argument_is_refused_by_name(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        NASBERT(**arguments)
    assert caught.value.argument == next(iter(arguments))


@pytest.mark.parametrize("shape", [(513,), (0,), (2.5,)])
def test_counting_refuses_lengths_that_do_not_fit(shape: tuple[Any, ...]) -> None:
    with pytest.raises(InvalidArgumentError):
        NASBERT().profile(NASBERT().choices.default, input_shape=shape)
