"""Every kind of reader is in both tables, brings only its own code into a cache key, and is tried here by name."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import get_args

import pytest

from tasks.core.hashing import code_hashes
from tasks.core.sources import FileReader, Reader
from tasks.ingest import stage
from tasks.ingest.files import FILE_SUFFIXES
from tasks.ingest.readers import FINGERPRINT_KINDS, READER_KINDS

TRIED = {
    "image_folder": "test_image_folder.py",
    "sql": "test_sql.py",
    "idx": "test_idx.py",
    "npz": "test_npz.py",
    "jsonl": "test_jsonl.py",
    "csv": "test_readers.py",
    "parquet": "test_readers.py",
    "sklearn": "test_readers.py",
    "custom": "test_readers.py",
}
"""Kind → the file beside this one that tries it."""


def kind_of(block: type) -> str:
    return get_args(block.model_fields["kind"].annotation)[0]


KINDS = sorted(kind_of(block) for block in get_args(get_args(Reader)[0]))


def test_both_tables_and_the_tests_know_every_kind_of_the_schema():
    assert sorted(READER_KINDS) == sorted(FINGERPRINT_KINDS) == sorted(TRIED) == KINDS
    assert sorted(FILE_SUFFIXES) == sorted(kind_of(block) for block in get_args(FileReader))
    for kind, name in TRIED.items():
        text = Path(__file__).with_name(name).read_text()
        assert f'"{kind}"' in text, f"{name} does not try the kind {kind}"


@pytest.mark.parametrize("table", [READER_KINDS, FINGERPRINT_KINDS], ids=["readers", "fingerprints"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_name_in_a_table_is_a_function(table: dict[str, str], kind: str):
    module, _, name = table[kind].partition(":")
    assert callable(getattr(importlib.import_module(module), name))


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_chosen_kind_is_in_the_key(kind: str):
    def file_of(dotted: str) -> str:
        return dotted.partition(":")[0].replace(".", "/") + ".py"

    own = {file_of(READER_KINDS[kind]), file_of(FINGERPRINT_KINDS[kind])}
    others = {file_of(dotted) for dotted in READER_KINDS.values()} - own
    reached = set(code_hashes(Path(stage.__file__), "ingest", frozenset({kind})))
    assert own <= reached
    assert not others & reached
