"""Networks of sequences: what stands after the end changes nothing, and each layer is what torch's own is."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from torch import nn

from tasks.models import OF_TEXT, build
from tasks.models.sequences import Steps, largest_of, last_of, mean_of, turned
from tasks.models.transformer import Layer, sinusoids

VOCABULARY, LENGTH, CHANNELS = 7, 9, 2

CELLS = [
    {"kind": "recurrent", "cell": cell, "bidirectional": both, "pooling": pooling, "layers": 2, "hidden": 4}
    for cell, both, pooling in itertools.product(("rnn", "gru", "lstm"), (False, True), ("last", "mean", "max"))
]
ENCODERS = [
    {"kind": "transformer", "positions": positions, "pooling": pooling, "width": 8, "heads": 2}
    for positions, pooling in itertools.product(("learned", "sinusoidal"), ("mean", "first"))
]
BAG = {"kind": "bag_of_embeddings", "embedding": 4}
TEXTS = [*CELLS, *ENCODERS, BAG]
SERIES = [*CELLS, *ENCODERS]


def named(model: dict) -> str:
    return "-".join(str(value) for value in model.values())


def network(model: dict, vocabulary: int, length: int = LENGTH) -> nn.Module:
    torch.manual_seed(0)
    shape = (length,) if vocabulary else (length, CHANNELS + 1)
    return build(model, shape, 3, Path(), vocabulary).eval()


def sequences(vocabulary: int, lengths: list[int]) -> torch.Tensor:
    """One sequence of each length, padded."""
    generator = torch.Generator().manual_seed(1)
    there = (torch.arange(LENGTH) < torch.tensor(lengths)[:, None]).float()
    if vocabulary:
        return torch.randint(1, vocabulary, there.shape, generator=generator) * there
    numbers = torch.randn(*there.shape, CHANNELS, generator=generator) * there[..., None]
    return torch.cat([numbers, there[..., None]], dim=2)


class Untrimmed(Steps):
    """Steps as on a device that is not waited for: a CPU's way of cutting off what nobody needs would hide a leak."""

    def forward(self, inputs):
        wide = torch.cat([inputs, torch.zeros_like(inputs[:, :2])], dim=1)
        there = wide > 0 if self.of_text else wide[..., -1] > 0.5
        vectors = self.vectors(wide.long() if self.of_text else wide) * there.unsqueeze(-1)
        # What stands where no step is must not matter, so it is anything.
        vectors = torch.where(there.unsqueeze(-1), vectors, torch.full_like(vectors, 37.0))
        vectors[:, 0] = torch.where(there[:, :1], vectors[:, 0], torch.zeros_like(vectors[:, 0]))
        return vectors, torch.cat([torch.ones_like(there[:, :1]), there[:, 1:]], dim=1)


def test_every_kind_of_text_is_tried_here():
    assert {model["kind"] for model in TEXTS} == set(OF_TEXT)


@pytest.mark.parametrize("vocabulary", [VOCABULARY, 0], ids=["text", "series"])
@pytest.mark.parametrize("model", TEXTS, ids=named)
def test_padding_changes_no_output(model, vocabulary):
    if not vocabulary and model is BAG:
        with pytest.raises(ValueError, match="a bag_of_embeddings takes a text"):
            network(model, 0)
        return
    lengths = [LENGTH, 5, 1, 0]
    inputs = sequences(vocabulary, lengths)
    made = network(model, vocabulary)
    together = made(inputs)
    # Alone, a CPU cuts a sequence off where it ends: nothing of it is padding.
    alone = torch.cat([made(row[None]) for row in inputs])
    assert torch.allclose(together, alone, atol=1e-6)
    made.steps.__class__ = Untrimmed
    wide = network(model, vocabulary, LENGTH + 2)
    state = made.state_dict()
    if "places" in state:
        state["places"] = torch.cat([state["places"], torch.full_like(state["places"][:2], 37.0)])
    wide.load_state_dict(state)
    wide.steps.__class__ = Untrimmed
    assert torch.allclose(wide(inputs), together, atol=1e-6)


@pytest.mark.parametrize("vocabulary", [VOCABULARY, 0], ids=["text", "series"])
@pytest.mark.parametrize("model", TEXTS, ids=named)
def test_columns_beside_a_sequence_are_not_steps_of_it_and_padding_changes_nothing(model, vocabulary):
    if not vocabulary and model is BAG:
        return
    inputs = sequences(vocabulary, [LENGTH, 5, 1, 0])
    columns = torch.randn(4, 2, generator=torch.Generator().manual_seed(2))
    shape = tuple(inputs.shape[1:])
    torch.manual_seed(0)
    made = build(model, (inputs[0].numel() + 2,), 3, Path(), vocabulary, shape).eval()
    together = made(torch.cat([inputs.flatten(1), columns], dim=1))
    # What is kept of the steps is what a network of the sequence alone keeps, and stands before the columns.
    alone = network(model, vocabulary)
    alone.load_state_dict(
        {name: value for name, value in made.state_dict().items() if "head" not in name}, strict=False
    )
    alone.head = nn.Identity()
    assert torch.allclose(together, made.head(torch.cat([alone(inputs), columns], dim=1)), atol=1e-6)
    changed = columns + torch.tensor([0.0, 1.0])
    assert not torch.allclose(made(torch.cat([inputs.flatten(1), changed], dim=1)), together, atol=1e-4)


@pytest.mark.parametrize("model", SERIES, ids=named)
def test_what_a_step_holds_and_where_it_stands_matters(model):
    made = network(model, 0)
    inputs = sequences(0, [LENGTH, 6])
    changed = inputs.clone()
    changed[:, 2, 0] += 5
    assert not torch.allclose(made(changed), made(inputs), atol=1e-3)
    swapped = inputs.clone()
    swapped[:, [0, 3]] = inputs[:, [3, 0]]
    assert not torch.allclose(made(swapped), made(inputs), atol=1e-5)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_reading_both_ways_is_torchs_own_bidirectional_layer_on_packed_sequences(cell):
    made = network({"kind": "recurrent", "cell": cell, "bidirectional": True, "layers": 2, "hidden": 4}, 0)
    theirs = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}[cell](3, 4, 2, batch_first=True, bidirectional=True)
    ours = {}
    for layer, side in itertools.product(range(2), ("onward", "homeward")):
        suffix = "_reverse" if side == "homeward" else ""
        for name, value in getattr(made, side)[layer].named_parameters():
            ours[name.replace("_l0", f"_l{layer}{suffix}")] = value.detach()
    theirs.load_state_dict(ours)
    lengths = [LENGTH, 5, 1]
    inputs = sequences(0, lengths)
    packed = nn.utils.rnn.pack_padded_sequence(inputs, torch.tensor(lengths), batch_first=True)
    last = theirs(packed)[1]
    last = (last[0] if cell == "lstm" else last)[-2:]
    assert torch.allclose(made(inputs), made.head(torch.cat([last[0], last[1]], dim=1)), atol=1e-6)


def test_an_encoder_layer_is_torchs_own_that_normalises_first():
    torch.manual_seed(0)
    ours = Layer(8, 2, 16, 0.0).eval()
    theirs = nn.TransformerEncoderLayer(8, 2, 16, 0.0, "gelu", batch_first=True, norm_first=True).eval()
    names = {
        "self_attn.in_proj_weight": "asked.weight",
        "self_attn.in_proj_bias": "asked.bias",
        "self_attn.out_proj.weight": "answered.weight",
        "self_attn.out_proj.bias": "answered.bias",
        "linear1.weight": "widened.weight",
        "linear1.bias": "widened.bias",
        "linear2.weight": "narrowed.weight",
        "linear2.bias": "narrowed.bias",
        "norm1.weight": "before_attention.weight",
        "norm1.bias": "before_attention.bias",
        "norm2.weight": "before_hidden.weight",
        "norm2.bias": "before_hidden.bias",
    }
    state = ours.state_dict()
    theirs.load_state_dict({name: state[own] for name, own in names.items()})
    vectors, there = torch.randn(3, 5, 8), torch.arange(5) < torch.tensor([[5], [2], [1]])
    expected = theirs(vectors, src_key_padding_mask=~there)
    assert torch.allclose(ours(vectors, there)[there], expected[there], atol=1e-6)


def test_places_are_sines_and_cosines_of_wavelengths_that_grow():
    found = sinusoids(3, 4)
    assert found.tolist() == [
        pytest.approx([0, 0, 1, 1]),
        pytest.approx([0.841471, 0.0001, 0.540302, 1], abs=1e-5),
        pytest.approx([0.909297, 0.0002, -0.416147, 1], abs=1e-5),
    ]
    assert sinusoids(4, 5).shape == (4, 5)


def test_pooling_looks_at_the_steps_that_are_there():
    vectors = torch.tensor([[[1.0], [3.0], [99.0]], [[-2.0], [50.0], [99.0]]])
    there = torch.tensor([[True, True, False], [True, False, False]])
    assert mean_of(vectors, there).tolist() == [[2.0], [-2.0]]
    assert largest_of(vectors, there).tolist() == [[3.0], [-2.0]]
    assert last_of(vectors, there).tolist() == [[3.0], [-2.0]]
    assert turned(vectors, there)[..., 0].tolist() == [[3.0, 1.0, 99.0], [-2.0, 50.0, 99.0]]
    assert torch.equal(turned(turned(vectors, there), there), vectors)


def test_a_bag_is_the_mean_of_its_tokens_in_whatever_order():
    made = network(BAG, VOCABULARY)
    first = made(torch.tensor([[2.0, 3.0, 3.0, 0.0]]))
    assert torch.allclose(first, made(torch.tensor([[3.0, 2.0, 3.0, 0.0]])))
    weights = made.steps.vectors.weight
    assert torch.allclose(first, made.head((weights[2] + 2 * weights[3])[None] / 3), atol=1e-6)


def test_the_vector_of_padding_stays_zero_while_training():
    made = network(BAG, VOCABULARY).train()
    optimizer = torch.optim.AdamW(made.parameters(), lr=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        made(sequences(VOCABULARY, [4, 0])).square().sum().backward()
        optimizer.step()
    assert not made.steps.vectors.weight[0].any() and made.steps.vectors.weight[1:].any()


@pytest.mark.parametrize(
    ("model", "shape", "vocabulary", "says"),
    [
        ({"kind": "recurrent"}, (4,), 0, "a recurrent takes a text or a series, and the features give flat inputs"),
        ({"kind": "transformer"}, (1, 4, 4), 0, "a transformer takes a text or a series, and the features give images"),
        ({"kind": "mlp"}, (4,), 9, "the kind mlp takes numbers, and the features give text; choose recurrent, "),
        ({"kind": "recurrent", "cell": "qrnn"}, (4,), 9, "no cell 'qrnn'; choose one of rnn, gru, lstm"),
        ({"kind": "recurrent", "pooling": "sum"}, (4,), 9, "no pooling 'sum'; choose one of last, mean, max"),
        ({"kind": "transformer", "width": 6}, (4,), 9, "the width 6 is not a multiple of the 4 heads"),
        ({"kind": "transformer", "positions": "none"}, (4,), 9, "no positions 'none'; choose one of learned"),
        ({"kind": "transformer", "pooling": "max"}, (4,), 9, "no pooling 'max'; choose one of mean, first"),
    ],
)
def test_what_cannot_be_built_is_refused_in_one_sentence(model, shape, vocabulary, says):
    with pytest.raises(ValueError) as caught:
        build(model, shape, 2, Path(), vocabulary)
    assert says in str(caught.value)
