"""pytest-tfsig: prove what callers of a served TensorFlow model may rely on."""

from __future__ import annotations
