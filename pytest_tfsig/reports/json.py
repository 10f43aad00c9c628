"""report.json: every result of a run, for programs; its form is published in report.schema.json."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from pytest_tfsig.reports import strength
from pytest_tfsig.reports.consumers import consumers
from pytest_tfsig.reports.files import write_whole
from pytest_tfsig.reports.result import overall
from pytest_tfsig.reports.saved_model import declaration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pytest_tfsig.reports.result import Result

VERSION = 1
"""Of the document's form; a reader of version 1 reads every later document of version 1."""


def document(
    results: Sequence[Result], server: Mapping[str, Any], environment: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Returns the report as plain data, without numbers that JSON has no words for.

    Args:
        results: In the order in which they came.
        server: What served the models: `kind`, `description`, and why it was chosen.
        environment: Where the run took place.
    """
    models = {result.model: {**result.model.as_dict(), **declaration(result.model)} for result in results}
    numbers = {model: index for index, model in enumerate(models)}
    plain: dict[str, Any] = _finite(
        {
            "version": VERSION,
            "verdict": overall(results),
            "server": dict(server),
            "environment": dict(environment or {}),
            "models": list(models.values()),
            "consumers": [consumer.as_dict() for consumer in consumers(results)],
            "results": [
                {
                    **result.as_dict(),
                    "model": result.model.name,
                    "model_index": numbers[result.model],
                    "details": strength.without(result.details),
                }
                for result in results
            ],
            "strength": strength.entries(results, numbers),
        }
    )
    return plain


def write(folder: Path, report: Mapping[str, Any]) -> Path:
    """Writes a document as `report.json` into a folder, whole or not at all, and returns its path.

    Raises:
        OSError: It cannot be written.
    """
    text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False)
    return write_whole(folder, "report.json", text + "\n")


def _finite(value: Any) -> Any:
    """Returns plain data without the numbers that JSON has no words for."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return value
