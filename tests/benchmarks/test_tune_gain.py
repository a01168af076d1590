"""What benchmarks/tune.py sums up: the mean gain over split keys, and Student's interval."""

from __future__ import annotations

import pytest

from benchmarks.tune import summary


def test_the_interval_of_three_gains_by_hand():
    """Mean 2, standard deviation 1; the 97.5 % point of Student's t with two degrees of freedom is 4.3027."""
    found = summary([{"gain": gain, "seconds": gain} for gain in (1.0, 2.0, 3.0)], "digits")
    assert found["gain"] == 2 and found["seconds"] == 2
    assert found["interval"] == pytest.approx([2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5], abs=1e-3)
