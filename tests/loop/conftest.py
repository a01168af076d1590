"""One running `evergreen up` for the tests of a module, and somebody who is alerted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.alerts.conftest import Receiver
from tests.up.conftest import end_all
from tests.up.serving import Up, start_up


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """A process of its own on an empty home, on free ports."""
    folder = tmp_path_factory.mktemp("loop")
    started = [start_up(folder, folder / "home")]
    yield started[0]
    end_all(started)


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """Takes what is posted to a webhook."""
    made = Receiver()
    yield made
    made.close()
