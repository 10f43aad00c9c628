"""Recorded requests and answers, in the form of TensorFlow Serving's request logs and warmup files."""

from __future__ import annotations

from pytest_tfsig.recordings.exchange import Exchange
from pytest_tfsig.recordings.files import read, read_arrays, write
from pytest_tfsig.recordings.sending import Recorded, record, replay

__all__ = ["Exchange", "Recorded", "read", "read_arrays", "record", "replay", "write"]
