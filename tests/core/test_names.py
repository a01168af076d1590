"""How a model is written."""

from __future__ import annotations

import pytest

from tasks.core.errors import RequestError
from tasks.core.names import ModelName, parse_model, parse_version


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("digits", ModelName("digits")),
        ("digits@shadow", ModelName("digits", "shadow")),
        ("digits/12", ModelName("digits", version="12")),
        ("a-b_c", ModelName("a-b_c", "champion", None)),
    ],
)
def test_a_model_can_be_written_three_ways(text: str, meant: ModelName):
    assert parse_model(text) == meant


@pytest.mark.parametrize(
    "text", ["", "Digits", "digits/", "digits/0", "digits/one", "digits@", "a/1@b", "x" * 64, "a b"]
)
def test_anything_else_is_refused_with_the_three_ways(text: str):
    with pytest.raises(RequestError, match="is not a model") as caught:
        parse_model(text)
    assert "name/version" in caught.value.remedy


def test_a_version_is_asked_for_where_nothing_less_will_do():
    assert parse_version("digits/3") == ("digits", "3")
    with pytest.raises(RequestError, match="does not name a version"):
        parse_version("digits@champion")
