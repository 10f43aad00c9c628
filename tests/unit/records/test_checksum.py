"""CRC-32C: published values, and long data against the sum byte by byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_tfsig.checksum import _ONES, _SHORT, _summed, crc32c


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", 0),
        (b"123456789", 0xE3069283),
        # RFC 3720, B.4
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_published_values(data, expected):
    assert crc32c(data) == expected


@given(length=st.integers(_SHORT - 2, _SHORT + 5000), seed=st.integers(0, 2**32))
def test_long_data_has_the_same_sum(length, seed):
    data = (seed.to_bytes(5, "big") * length)[:length]
    assert crc32c(data) == _ONES ^ _summed(_ONES, data)
