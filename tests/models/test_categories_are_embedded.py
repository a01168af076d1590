"""A linear layer over one column per category is a learned embedding: the same numbers as torch.nn.Embedding."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import nn

from tasks.core.feature_kinds import CategoricalFeature, NumericFeature
from tasks.core.preprocessing import Transforms
from tasks.models import build
from tasks.transforms import fit
from tasks.transforms.apply import apply

FEATURES = {"size": NumericFeature(kind="numeric"), "colour": CategoricalFeature(kind="categorical")}
KNOWN = ["blue", "green", "red"]


def inputs_and_codes() -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs [N, 1 + 3] and the categories' codes [N]; 3 is one that training rows did not have."""
    generator = np.random.default_rng(0)
    frame = pd.DataFrame({"size": generator.normal(size=60), "colour": generator.choice(KNOWN, 60)})
    state = fit(frame, FEATURES, Transforms())
    new = pd.concat([frame, pd.DataFrame({"size": [0.3], "colour": ["mauve"]})], ignore_index=True)
    codes = [KNOWN.index(colour) if colour in KNOWN else 3 for colour in new["colour"]]
    return torch.from_numpy(apply(new, state)), torch.tensor(codes)


def test_the_first_layer_of_an_mlp_looks_the_category_up_in_a_table_of_its_weights():
    inputs, codes = inputs_and_codes()
    torch.manual_seed(0)
    network = build({"kind": "mlp", "hidden": [5], "dropout": 0.0}, (4,), 2, None)
    first = next(module for module in network.modules() if isinstance(module, nn.Linear))
    table = nn.Embedding(4, 5, padding_idx=3)
    with torch.no_grad():
        table.weight[:3] = first.weight[:, 1:].T
    looked_up = inputs[:, :1] @ first.weight[:, :1].T + table(codes) + first.bias
    assert torch.allclose(first(inputs), looked_up, atol=1e-6)
    # The category that nobody saw adds nothing, as padding does.
    assert not inputs[-1, 1:].any() and not table(codes[-1]).any()


def test_and_learns_what_the_table_learns():
    inputs, codes = inputs_and_codes()
    torch.manual_seed(1)
    one_hot, table = nn.Linear(3, 5, bias=False), nn.Embedding(4, 5, padding_idx=3)
    with torch.no_grad():
        table.weight[:3] = one_hot.weight.T
    target = torch.randn(len(inputs), 5)
    optimizers = [torch.optim.Adam(module.parameters(), lr=0.05) for module in (one_hot, table)]
    for _ in range(20):
        for optimizer, outputs in zip(optimizers, (one_hot(inputs[:, 1:]), table(codes)), strict=True):
            optimizer.zero_grad()
            nn.functional.mse_loss(outputs, target).backward()
            optimizer.step()
    assert torch.allclose(one_hot.weight.T, table.weight[:3], atol=1e-5)
