"""report.json: every result of a run, for programs."""

from __future__ import annotations

import json
import math
import os
from typing import TYPE_CHECKING, Any

from pytest_tfsig.reports.result import overall

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_tfsig.reports.result import Result

VERSION = 1
"""Of the document's form; a reader of version 1 reads every later document of version 1."""


def document(results: Sequence[Result], server: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the report as plain data.

    Args:
        results: In the order in which they came.
        server: What served the models: `kind`, `description`, and why it was chosen.
    """
    models = {result.model: result.model.as_dict() for result in results}
    numbers = {model: index for index, model in enumerate(models)}
    return {
        "version": VERSION,
        "verdict": overall(results),
        "server": dict(server),
        "models": list(models.values()),
        "results": [
            {**_finite(result.as_dict()), "model": result.model.name, "model_index": numbers[result.model]}
            for result in results
        ],
    }


def write(folder: Path, results: Sequence[Result], server: Mapping[str, Any]) -> Path:
    """Writes `report.json` into a folder, whole or not at all, and returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "report.json"
    draft = folder / f".report.json.{os.getpid()}"
    text = json.dumps(document(results, server), indent=2, ensure_ascii=False, allow_nan=False)
    draft.write_text(text + "\n", encoding="utf-8")
    draft.replace(file)
    return file


def _finite(value: Any) -> Any:
    """Returns plain data without the numbers that JSON has no words for."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return value
